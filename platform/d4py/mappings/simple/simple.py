# SPDX-License-Identifier: Apache-2.0
"""Runs a graph in this thread: a source's item goes through the whole graph before the next leaves the source."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from d4py.engine.failure import Abandoned
from d4py.engine.link import Abandon, Event, Part, Report, RunOver
from d4py.engine.runner import Runner
from d4py.errors import StateError
from d4py.mappings.allocator import keep_large_blocks
from d4py.mappings.base import Enactment, Guarantees, Mapping, Options
from d4py.mappings.depth import deep_enough
from d4py.mappings.local_link import LocalLink
from d4py.mappings.signals import Stop, caught
from d4py.mappings.supervisor import Supervisor, kept
from d4py.mappings.ticker import Ticker
from d4py.plan.layout import layout_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.engine.coordinator import Commit
    from d4py.graph.graph import WorkflowGraph
    from d4py.items import Frame
    from d4py.mappings.outcome import Outcome
    from d4py.plan import Plan
    from d4py.plan.costs import Costs


class Simple(Mapping):
    """One process, one thread."""

    name = "simple"
    listens = True
    default_processes = 1
    guarantees = Guarantees(
        parallel="no",
        stateless_death="the process is the run: resume continues from the last checkpoint",
        stateful_death="the same",
        supervisor_death="the same",
        memory="one item at a time",
        arrays="passed by reference",
    )

    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        """One cell with one instance of each PE."""
        return layout_whole(graph)

    def place(self, plan: Plan, options: Options) -> Plan:
        """Only a run that was begun as one cell can go on as one."""
        if len(plan.cells) > 1:
            raise StateError(
                "The mapping 'simple' cannot continue a run that was begun on another.",
                hint="Resume it with --mapping threads or multi; -n 1 is allowed.",
            )
        return plan

    def enact(self, enactment: Enactment) -> Outcome:
        """Run in this thread."""
        keep_large_blocks()
        solo = _Solo(enactment)
        with deep_enough(enactment.plan), caught(wake=solo.interrupted) as solo.stops:
            return solo.run()


class _Solo:
    """Crew and link of the only cell."""

    def __init__(self, enactment: Enactment) -> None:
        self.enactment = enactment
        self.stops: deque[Stop] = deque()
        self.taken = 0
        self.runner: Runner | None = None
        self.events: deque[Event] = deque()
        self.supervisor = Supervisor(enactment, self)
        self.ticker = Ticker()

    def run(self) -> Outcome:
        """Run the cell to its end."""
        supervisor = self.supervisor
        supervisor.begin()
        assert self.runner is not None
        try:
            self.runner.run()
            self._take_stops()
        finally:
            self.ticker.stop()
            self.link.close()
            supervisor.end()
        assert supervisor.outcome is not None
        return supervisor.outcome

    def launch(self, generation: int, start: Commit | None) -> None:
        """Make ready the one cell. A second time there is nobody to restart: the process is the run."""
        if self.runner is not None:
            self.supervisor.fail(None, "A frame went missing inside one process; this is a defect of d4py.")
            return
        enactment = self.enactment
        part = enactment.folder.part(start.parts[0]) if start else None
        by_id = {pe.id: pe for pe in enactment.workflow.graph.pes}
        pes = {instance.rank: by_id[instance.pe] for instance in enactment.plan.instances}
        self.link = _SoloLink(self, part)
        epoch = start.epoch if start else 0
        self.runner = Runner(
            enactment.plan, 0, pes, self.link, terms=enactment.terms, generation=generation, epoch=epoch, start=part
        )

    def interrupted(self) -> None:
        """In the signal's handler, in the middle of anything: the second signal ends it, the first a source that waits for the world."""
        if self.runner is None:
            return
        if len(self.stops) + self.taken > 1:
            raise Abandoned
        if self.enactment.live:
            self.runner.interrupt()

    def tell(self, cell: int, event: Event) -> None:
        """Queue an event."""
        self.events.append(event)

    def dismiss(self) -> None:
        """End the cell."""
        self.events.append(RunOver())

    def abandon(self) -> None:
        """End the cell in the middle of what it does."""
        self.events.append(Abandon())

    def serve(self) -> Sequence[Event]:
        """Let the supervisor work; return what it tells the cell."""
        self._take_stops()
        self.supervisor.tick(time.monotonic())
        if not self.events:
            return ()
        events = list(self.events)
        self.events.clear()
        return events

    def _take_stops(self) -> None:
        while self.stops:
            self.taken += 1
            self.supervisor.stop(self.stops.popleft())


class _SoloLink(LocalLink):
    copies = False

    def __init__(self, solo: _Solo, start: Part | None) -> None:
        enactment, supervisor = solo.enactment, solo.supervisor
        super().__init__(
            enactment.folder, enactment.plan, supervisor.board, solo.ticker, 0, supervisor.generation, start
        )
        self.solo = solo

    def send(self, frame: Frame) -> int:
        """There are no channels."""
        raise AssertionError("one cell has no channels")

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """There are no channels."""
        raise AssertionError("one cell has no channels")

    def poll(self, wait: float) -> Sequence[Event]:
        """Serve; where there is nothing to do but wait, sleep a little."""
        events = self.solo.serve()
        if not events and wait:
            time.sleep(min(wait, 0.05) if wait > 0 else 0.05)
        return events

    def report(self, report: Report) -> None:
        """Hand a report to the supervisor."""
        self.solo.supervisor.handle(kept(self.folder, report))
