# SPDX-License-Identifier: Apache-2.0
"""A cell without a mapping: one cell runs in the test, over a link that keeps everything in lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, MutableSequence, Sequence
from typing import Any

import pytest

import d4py
from d4py.engine.circuit import Terms
from d4py.engine.failure import Failure
from d4py.engine.link import (
    Abandon,
    BarrierAsked,
    CannotSnapshot,
    Event,
    Failed,
    Lost,
    Part,
    Report,
    RunOver,
    Snapshotted,
)
from d4py.engine.runner import Runner
from d4py.graph.inputs import resolve
from d4py.items import Frame
from d4py.plan.layout import layout_whole


class ListSpool:
    def __init__(self, kept: Sequence[Any] = ()) -> None:
        self.records = list(kept)

    def append(self, rank: int, name: str, value: Any) -> None:
        self.records.append((rank, name, value))

    def flush(self) -> None:
        pass

    @property
    def length(self) -> tuple[int, int]:
        return len(self.records), len(self.records)

    def cut(self, size: int, records: int) -> None:
        del self.records[records:]

    def reach(self) -> list[Any]:
        return list(self.records)


class ListJournal:
    def __init__(self) -> None:
        self.values: list[Any] = []

    def append(self, value: Any) -> None:
        self.values.append(value)

    def since(self, number: int) -> list[Any]:
        return self.values[number:]

    def sync(self) -> None:
        pass


class ListLink:
    """Ends the run when the cell has handed over its final part. `script`: events by the number of the poll at which they come."""

    copies = False
    urgent = False
    empty = None
    near: Collection[int] = ()
    ledger: MutableSequence[int] = [0]  # noqa: RUF012 - nothing is settled here
    lock = threading.RLock()

    def __init__(self, script: dict[int, Event], start: Part | None, journal: ListJournal) -> None:
        self.script = script
        self.note: MutableSequence[int] = [0, 0, 0]
        self.outputs = ListSpool(start.outputs if start else ())
        self.quarantine = ListSpool(start.quarantined if start else ())
        self.polls = 0
        self.parts: list[Part] = []
        self.failures: list[Failure] = []
        self.reasons: list[str] = []
        self.waited: list[float] = []
        self.logged: list[tuple[int, str]] = []
        self.kept = journal
        self._time = 0.0

    def clock(self) -> float:
        self._time += 0.001
        return self._time

    def poll(self, wait: float) -> list[Event]:
        self.polls += 1
        if wait > 0:
            self.waited.append(wait)
            self._time += wait
        if self.failures:
            return [Abandon()]
        if self.parts and (self.parts[-1].final or self.parts[-1].epoch == 99):
            return [RunOver() if self.parts[-1].final else Abandon()]
        return [self.script[self.polls]] if self.polls in self.script else []

    def report(self, report: Report) -> None:
        if isinstance(report, Snapshotted):
            self.parts.append(report.part)
        elif isinstance(report, Failed):
            self.failures.append(report.failure)
        elif isinstance(report, (CannotSnapshot, Lost)):
            self.reasons.append(report.reason)

    def send(self, frame: Frame) -> int:
        raise AssertionError("one cell has no channels")

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        raise AssertionError("one cell has no channels")

    def drain(self) -> None:
        pass

    def glance(self) -> Sequence[Event]:
        return ()

    def tick(self, call: Callable[[], None]) -> None:
        pass

    def journal(self, rank: int) -> ListJournal:
        return self.kept

    def publish(self, rank: int, read: int, written: int, quarantined: int) -> None:
        pass

    def log(self, rank: int, message: str) -> None:
        self.logged.append((rank, message))


class Lone:
    """Runs whole graphs as one cell. Epoch 99 is a stop: once its part is handed over, the cell is abandoned."""

    def __init__(self) -> None:
        self.journal = ListJournal()

    def run(
        self,
        graph: d4py.WorkflowGraph | d4py.GenericPE,
        *,
        inputs: Any = None,
        script: dict[int, Event] | None = None,
        start: Part | None = None,
        readonly: frozenset[str] = frozenset(),
    ) -> ListLink:
        if isinstance(graph, d4py.GenericPE):
            single = d4py.WorkflowGraph()
            single.add(graph)
            graph = single
        flat = graph.flatten()
        plan = layout_whole(flat)
        by_id = {pe.id: pe for pe in flat.pes}
        link = ListLink(script or {}, start, self.journal)
        terms = Terms(calls=resolve(flat, inputs), readonly=readonly)
        pes = {instance.rank: by_id[instance.pe] for instance in plan.instances}
        Runner(plan, 0, pes, link, terms=terms, start=start).run()
        return link

    def cut(self, draw: Callable[[], Any], at: int, *, inputs: Any = None) -> tuple[Part | None, ListLink]:
        """Stop at the poll `at` with a checkpoint; start anew from it. Return its part (None: the end came first) and the second run."""
        first = self.run(draw(), inputs=inputs, script={at: BarrierAsked(99, 1)})
        part = first.parts[-1]
        if part.final:
            return None, first
        return part, self.run(draw(), inputs=inputs, start=part)


@pytest.fixture
def lone() -> Lone:
    return Lone()


def written(link: ListLink) -> list[Any]:
    """Return the values that nobody consumed."""
    return [value for _, _, value in link.outputs.records]


@pytest.fixture
def values() -> Callable[[ListLink], list[Any]]:
    return written
