# SPDX-License-Identifier: Apache-2.0
"""Runs cells as threads, joined by in-process queues. Parallel where PEs release the interpreter's lock, or Python has none."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from d4py.engine.link import Abandon, Acknowledged, Event, FrameArrived, Part, Report, RunOver
from d4py.engine.runner import Runner
from d4py.errors import PlanError
from d4py.graph.written import twin
from d4py.items.copying import sized_all
from d4py.mappings.allocator import keep_large_blocks
from d4py.mappings.another import copied
from d4py.mappings.base import Enactment, Guarantees, Mapping, Options
from d4py.mappings.depth import deep_enough
from d4py.mappings.local_link import LocalLink
from d4py.mappings.signals import caught
from d4py.mappings.supervisor import Message, Supervisor, kept
from d4py.mappings.ticker import Ticker
from d4py.plan import Plan, layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.engine.coordinator import Commit
    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.pe import GenericPE
    from d4py.items import Frame
    from d4py.mappings.outcome import Outcome
    from d4py.plan.costs import Costs

_MOST_CHANNELS = 1 << 19  # both ends of each take some kilobytes
_GRACE = 1.0  # seconds that a thread in a long call gets to notice the end


class Threads(Mapping):
    """One process, a thread a cell."""

    name = "threads"
    listens = True
    guarantees = Guarantees(
        parallel="where PEs release the interpreter's lock",
        stateless_death="the process is the run: resume continues from the last checkpoint",
        stateful_death="the same",
        supervisor_death="the same",
        memory="bounded by credit on each channel",
        arrays="passed by reference",
    )

    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        """As many instances as N processes would have."""
        plan = layout(graph, options.processes, fuse=options.fuse, measured=costs, assignment=options.assignment)
        if len(plan.channels) > _MOST_CHANNELS:
            raise PlanError(
                f"The plan has {len(plan.channels):,} channels, too many for one process: {_MOST_CHANNELS:,} are the most.",
                hint="Ask for fewer threads with -n.",
            )
        return plan

    def enact(self, enactment: Enactment) -> Outcome:
        """Run in threads, watched from this one."""
        keep_large_blocks()
        with deep_enough(enactment.plan):
            return _Crew(enactment).run()


class _Crew:
    """The threads of a run and their queues."""

    def __init__(self, enactment: Enactment) -> None:
        self.enactment = enactment
        self.inbox: SimpleQueue[Message | None] = SimpleQueue()
        self.boxes: list[SimpleQueue[Event]] = [SimpleQueue() for _ in enactment.plan.cells]
        self.threads: list[threading.Thread] = []
        self.supervisor = Supervisor(enactment, self)
        self.ticker = Ticker()
        self.readers = [channel.reader_cell for channel in enactment.plan.channels]
        self.writers = [channel.writer_cell for channel in enactment.plan.channels]

    def run(self) -> Outcome:
        """Start the threads and supervise them."""
        supervisor = self.supervisor
        with caught(wake=lambda: self.inbox.put(None)) as stops:
            supervisor.begin()
            try:
                while supervisor.outcome is None:
                    try:
                        message = self.inbox.get(timeout=supervisor.patience)
                        if message is not None:
                            supervisor.handle(message)
                    except Empty:
                        pass
                    while stops:
                        supervisor.stop(stops.popleft())
                    supervisor.tick(time.monotonic())
                until = time.monotonic() + _GRACE
                for thread in self.threads:
                    thread.join(max(0.0, until - time.monotonic()))
            finally:
                self.ticker.stop()
                supervisor.end()
        return supervisor.outcome

    def tell(self, cell: int, event: Event) -> None:
        """Give an event to a cell."""
        self.boxes[cell].put(event)

    def launch(self, generation: int, start: Commit | None) -> None:
        """Start a thread for each cell. A second time there is nothing to restart: threads do not die."""
        if self.threads:
            self.supervisor.torn("A frame went missing between two threads; resume goes on from the last checkpoint.")
            return
        pes = _instances(self.enactment)
        for cell in self.enactment.plan.cells:
            thread = threading.Thread(
                target=self._live, args=(cell.index, pes, start), name=f"cell-{cell.index}", daemon=True
            )
            self.threads.append(thread)
        for pe in self.enactment.workflow.graph.pes:
            twin(pe)  # kept: two threads that read text at the same time disturb each other
        for thread in self.threads:
            thread.start()

    def dismiss(self) -> None:
        """End all threads."""
        for box in self.boxes:
            box.put(RunOver())

    def abandon(self) -> None:
        """End all threads at their next write or wait."""
        for box in self.boxes:
            box.put(Abandon())

    def _live(self, cell: int, pes: dict[int, GenericPE], start: Commit | None) -> None:
        part = self.enactment.folder.part(start.parts[cell]) if start else None
        link = _ThreadLink(self, cell, part)
        try:
            enactment = self.enactment
            own = {rank: pes[rank] for rank in enactment.plan.cells[cell].instances}
            Runner(
                enactment.plan,
                cell,
                own,
                link,
                terms=enactment.terms,
                generation=self.supervisor.generation,
                epoch=start.epoch if start else 0,
                start=part,
            ).run()
        except BaseException as error:
            self.inbox.put(_defect(error))
        finally:
            link.close()


class _ThreadLink(LocalLink):
    copies = False

    def __init__(self, crew: _Crew, cell: int, start: Part | None) -> None:
        enactment, supervisor = crew.enactment, crew.supervisor
        super().__init__(
            enactment.folder, enactment.plan, supervisor.board, crew.ticker, cell, supervisor.generation, start
        )
        self.crew = crew
        self.box = crew.boxes[cell]

    def send(self, frame: Frame) -> int:
        """Put a frame into its reader's queue."""
        self.crew.boxes[self.crew.readers[frame.channel]].put(FrameArrived(frame))
        return sized_all(frame.items)

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """Put an acknowledgement into the writer's queue."""
        self.crew.boxes[self.crew.writers[channel]].put(
            Acknowledged(channel, number, credit, self.crew.supervisor.generation)
        )

    def poll(self, wait: float) -> Sequence[Event]:
        """Return what is in the queue."""
        events: list[Event] = []
        try:
            if wait:
                events.append(self.box.get(timeout=wait if wait > 0 else None))
            while True:
                events.append(self.box.get_nowait())
        except Empty:
            return events

    def report(self, report: Report) -> None:
        """Hand a report to the supervisor."""
        self.crew.inbox.put(kept(self.folder, report))


def _instances(enactment: Enactment) -> dict[int, GenericPE]:
    """Return an object of its own for each instance: the PE itself for the first, copies for the others."""
    by_id = {pe.id: pe for pe in enactment.workflow.graph.pes}
    pes: dict[int, GenericPE] = {}
    for instance in reversed(enactment.plan.instances):
        pe = by_id[instance.pe]
        if instance.number == 0:
            pes[instance.rank] = pe
            continue
        pes[instance.rank] = copied(pe)
    return pes


def _defect(error: BaseException) -> Message:
    from d4py.engine.failure import describe
    from d4py.engine.link import Failed

    return Failed(describe(error, pe="(engine)", instance="(engine)", during="running"))
