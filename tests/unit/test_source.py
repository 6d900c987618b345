# SPDX-License-Identifier: Apache-2.0
"""Sources: positions to go back to, retries, journals, live ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import d4py
from d4py.engine.link import Drain

N = 40


class Stream(d4py.ProducerPE):
    """A generator."""

    def _process(self, inputs: Any) -> Iterator[int]:
        yield from range(N)


class Loop(d4py.ProducerPE):
    """One call that writes."""

    stateless = True

    def _process(self, inputs: Any) -> None:
        for number in range(N):
            self.write("output", number)


class Parts(d4py.GenericPE):
    """A generator of {output: value}, with nothing now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: Any) -> Iterator[dict[str, int] | None]:
        for number in range(N):
            yield None
            yield {"output": number}


class Counter(d4py.ProducerPE):
    """Many calls, and state between them."""

    def __init__(self) -> None:
        super().__init__()
        self.number = -1

    def _process(self, inputs: Any) -> int:
        self.number += 1
        return self.number


class Growing(d4py.ProducerPE):
    """State that changes within a call: running it anew needs the state as it was before."""

    def __init__(self) -> None:
        super().__init__()
        self.number = -1

    def _process(self, inputs: Any) -> Iterator[int]:
        for _ in range(N // 4):
            self.number += 1
            yield self.number


class Seeking(d4py.ProducerPE):
    """Knows where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.place = 0

    def offset(self) -> int:
        return self.place

    def seek(self, offset: int) -> None:
        self.place = offset

    def _process(self, inputs: Any) -> Iterator[int]:
        while self.place < N:
            self.place += 1
            yield self.place - 1


class Unrepeatable(d4py.ProducerPE):
    """What it reads is gone then, like a socket's."""

    replay = "spool"
    live = True

    def _process(self, inputs: Any) -> Iterator[int]:
        yield from WORLD


WORLD: Iterator[int] = iter(())


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "WORLD", iter(range(N)))


SOURCES: list[tuple[Callable[[], d4py.GenericPE], int]] = [
    (Stream, 1),
    (Loop, 1),
    (Parts, 1),
    (Counter, N),
    (Growing, 4),
    (Seeking, 1),
]


@pytest.mark.parametrize("at", range(1, 30, 2))
@pytest.mark.parametrize(("source", "calls"), SOURCES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_source_cut_anywhere_goes_on_with_nothing_lost_or_doubled(
    lone: Any, values: Any, source: Callable[[], d4py.GenericPE], calls: int, at: int
) -> None:
    _, second = lone.cut(source, at, inputs=calls)

    assert values(second) == list(range(N))


@pytest.mark.parametrize(("source", "calls"), SOURCES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_cut_falls_into_the_middle_of_each_of_them(
    lone: Any, source: Callable[[], d4py.GenericPE], calls: int
) -> None:
    parts = [lone.cut(source, at, inputs=calls)[0] for at in range(1, 20)]

    assert any(part is not None and 0 < len(part.outputs) < N for part in parts)


@pytest.mark.parametrize("at", range(1, 12))
def test_a_source_that_cannot_be_run_again_is_replayed_from_its_journal(lone: Any, values: Any, at: int) -> None:
    part, second = lone.cut(Unrepeatable, at)

    assert values(second)[: len(part.outputs) if part else 0] == list(range(len(part.outputs) if part else 0))
    assert values(second) == list(range(N))
    assert [value for _, _, value in lone.journal.values] == list(range(N))


class Dice(d4py.ProducerPE):
    """As many as asked for, never the same again."""

    replay = "spool"
    thrown = itertools.count()

    def _process(self, inputs: Any) -> Iterator[int]:
        for _ in range(3):
            yield next(Dice.thrown)


@pytest.mark.parametrize("journalled", range(8))
def test_a_finite_source_with_a_journal_is_made_again_and_skips_what_it_had_written(
    lone: Any, values: Any, monkeypatch: pytest.MonkeyPatch, journalled: int
) -> None:
    monkeypatch.setattr(Dice, "thrown", itertools.count(100))
    kept = [(number // 3, "output", number) for number in range(journalled)]
    lone.journal.values = list(kept)

    found = values(lone.run(Dice(), inputs=3))

    assert found[:journalled] == list(range(journalled))
    assert len(found) == 9
    assert len(lone.journal.values) == 9


def test_what_a_dead_process_had_journalled_after_the_checkpoint_comes_first(lone: Any, values: Any) -> None:
    lone.journal.values = [(0, "output", number) for number in range(5)]
    monkey_world = iter(range(5, N))
    globals()["WORLD"] = monkey_world

    link = lone.run(Unrepeatable())

    assert values(link) == list(range(N))


def test_a_position_says_how_many_calls_and_writes_were_made(lone: Any) -> None:
    part, _ = lone.cut(Growing, 6, inputs=4)

    assert part is not None
    position = part.positions[0]
    assert position.calls * 10 + position.writes == len(part.outputs)


class Live(d4py.ProducerPE):
    live = True

    def __init__(self) -> None:
        super().__init__()
        self.cleaned = False

    def _process(self, inputs: Any) -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            self.cleaned = True

    def postprocess(self) -> None:
        self.write("output", "end")


class LiveLoop(Live):
    def _process(self, inputs: Any) -> None:  # type: ignore[override]
        for number in itertools.count():
            self.write("output", number)


@pytest.mark.parametrize("kind", [Live, LiveLoop])
def test_a_live_source_that_is_drained_ends_its_stream_with_postprocess(
    lone: Any, values: Any, kind: type[Live]
) -> None:
    source = kind()
    link = lone.run(source, script={10: Drain()})

    *numbers, last = values(link)
    assert numbers == list(range(len(numbers)))
    assert (last, link.parts[-1].final, source.cleaned) == ("end", True, kind is Live)


def test_a_finite_source_is_not_stopped_by_a_drain(lone: Any, values: Any) -> None:
    assert values(lone.run(Stream(), script={2: Drain()})) == list(range(N))


class Flaky(d4py.ProducerPE):
    """Raises in the middle of its second call, as often as it is told."""

    on_error = "retry:2@1.5"

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.calls = 0

    def _process(self, inputs: Any) -> Iterator[int]:
        self.calls += 1
        second = self.calls > 1
        yield 10 if second else 0
        if second and self.failures:
            self.failures -= 1
            raise OSError("the disk is away")
        yield 11 if second else 1


def test_a_source_is_retried_with_growing_pauses_and_its_writes_are_skipped(lone: Any, values: Any) -> None:
    link = lone.run(Flaky(2), inputs=2)

    assert values(link) == [0, 1, 10, 11]
    assert [round(sum(1 for wait in link.waited if wait > limit)) for limit in (1.4, 2.9)] == [2, 1]


def test_a_source_that_never_recovers_fails_the_run_and_names_its_call(lone: Any) -> None:
    link = lone.run(Flaky(3), inputs=2)

    assert [failure.title for failure in link.failures] == [
        "PE 'Flaky', instance Flaky, call 1: OSError: the disk is away"
    ]


def test_a_call_in_quarantine_is_counted_and_the_next_is_made(lone: Any, values: Any) -> None:
    source = Flaky(1)
    source.on_error = "quarantine"
    link = lone.run(source, inputs=3)

    assert values(link) == [0, 1, 10, 10, 11]
    assert link.parts[-1].counts[0]["quarantined"] == {"": 1}
    [(rank, port, (value, failure))] = link.quarantine.records
    assert (rank, port, value, failure.during) == (0, "", 3, "call 1")


def test_two_sources_in_a_cell_take_turns(lone: Any, values: Any) -> None:
    graph = d4py.WorkflowGraph()
    for first in (0, 100):
        graph.add(d4py.producer(lambda first=first: iter_from(first))())
    mixed = values(lone.run(graph))

    assert sorted(mixed) == [*range(20), *range(100, 120)]
    assert mixed.index(100) < mixed.index(19)


def iter_from(first: int) -> Iterator[int]:
    yield from range(first, first + 20)
