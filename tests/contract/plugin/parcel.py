# SPDX-License-Identifier: Apache-2.0
"""A mapping that an outsider might write: cells are threads, frames go by post as pickles, and every tenth comes late."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from d4py.engine.coordinator import Commit
from d4py.engine.failure import describe
from d4py.engine.link import Abandon, Acknowledged, Event, Failed, FrameArrived, Part, Report, RunOver
from d4py.engine.runner import Runner
from d4py.graph import WorkflowGraph
from d4py.items import Frame
from d4py.mappings import Enactment, Guarantees, Mapping, Options
from d4py.mappings.depth import deep_enough
from d4py.mappings.local_link import LocalLink
from d4py.mappings.outcome import Outcome
from d4py.mappings.supervisor import Message, Supervisor, kept
from d4py.mappings.ticker import Ticker
from d4py.plan import Plan, layout
from d4py.plan.costs import Costs

LATE = 0.003  # seconds


class Parcel(Mapping):
    name = "parcel"
    default_processes = 2
    guarantees = Guarantees(
        parallel="no",
        stateless_death="the process is the run",
        stateful_death="the same",
        supervisor_death="the same",
        memory="bounded by credit on each channel",
        arrays="copied",
    )

    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        return layout(graph, options.processes, fuse=options.fuse, measured=costs)

    def enact(self, enactment: Enactment) -> Outcome:
        with deep_enough(enactment.plan):
            return Office(enactment).run()


class Box:
    """The letters of one cell, each with the time at which it comes."""

    def __init__(self) -> None:
        self.letters: list[tuple[float, int, Event]] = []
        self.changed = threading.Condition()

    def put(self, event: Event, *, channel: int = -1, late: float = 0.0) -> None:
        with self.changed:
            due = time.monotonic() + late
            before = [other for other, of, _ in self.letters if of == channel and channel >= 0]
            self.letters.append((max([due, *before]), channel, event))
            self.changed.notify()

    def take(self, wait: float) -> list[Event]:
        until = None if wait < 0 else time.monotonic() + wait
        with self.changed:
            while True:
                now = time.monotonic()
                due = [letter for letter in self.letters if letter[0] <= now]
                if due or (until is not None and now >= until):
                    self.letters = [letter for letter in self.letters if letter[0] > now]
                    return [event for _, _, event in due]
                moments = [letter[0] for letter in self.letters] + ([until] if until is not None else [])
                self.changed.wait(max(0.0, min(moments) - now) if moments else None)


class Office:
    """Brings frames from thread to thread."""

    def __init__(self, enactment: Enactment) -> None:
        self.enactment = enactment
        self.plan = enactment.plan
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self.boxes = [Box() for _ in self.plan.cells]
        self.threads: list[threading.Thread] = []
        self.supervisor = Supervisor(enactment, self)
        self.ticker = Ticker()

    def run(self) -> Outcome:
        supervisor = self.supervisor
        supervisor.begin()
        try:
            while supervisor.outcome is None:
                with suppress(Empty):
                    supervisor.handle(self.inbox.get(timeout=supervisor.patience))
                supervisor.tick(time.monotonic())
            for thread in self.threads:
                thread.join(1.0)
        finally:
            self.ticker.stop()
            supervisor.end()
        return supervisor.outcome

    def live(self, cell: int, generation: int, start: Commit | None) -> None:
        part = self.enactment.folder.part(start.parts[cell]) if start else None
        link = PostLink(self, cell, part)
        by_id = {pe.id: pe for pe in self.enactment.workflow.graph.pes}
        pes = {rank: copy.deepcopy(by_id[self.plan.instances[rank].pe]) for rank in self.plan.cells[cell].instances}
        try:
            terms, epoch = self.enactment.terms, start.epoch if start else 0
            Runner(self.plan, cell, pes, link, terms=terms, generation=generation, epoch=epoch, start=part).run()
        except BaseException as error:
            self.inbox.put(Failed(describe(error, pe="(engine)", instance="(engine)", during="running")))
        finally:
            link.close()

    def tell(self, cell: int, event: Event) -> None:
        self.boxes[cell].put(event)

    def launch(self, generation: int, start: Commit | None) -> None:
        if self.threads:
            self.supervisor.torn("A parcel was lost.")
            return
        self.threads = [
            threading.Thread(target=self.live, args=(cell.index, generation, start), daemon=True)
            for cell in self.plan.cells
        ]
        for thread in self.threads:
            thread.start()

    def dismiss(self) -> None:
        for box in self.boxes:
            box.put(RunOver())

    def abandon(self) -> None:
        for box in self.boxes:
            box.put(Abandon())


class PostLink(LocalLink):
    copies = True

    def __init__(self, office: Office, cell: int, start: Part | None) -> None:
        supervisor = office.supervisor
        super().__init__(
            office.enactment.folder, office.plan, supervisor.board, office.ticker, cell, supervisor.generation, start
        )
        self.office = office
        self.sent = 0

    def send(self, frame: Frame) -> int:
        parcel = pickle.dumps(frame, protocol=5)
        self.sent += 1
        reader = self.office.plan.channels[frame.channel].reader_cell
        late = LATE if self.sent % 10 == 0 else 0.0
        self.office.boxes[reader].put(FrameArrived(pickle.loads(parcel)), channel=frame.channel, late=late)
        return len(parcel)

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        writer = self.office.plan.channels[channel].writer_cell
        self.office.boxes[writer].put(Acknowledged(channel, number, credit, self.office.supervisor.generation))

    def poll(self, wait: float) -> Sequence[Event]:
        return self.office.boxes[self.cell].take(wait)

    def report(self, report: Report) -> None:
        self.office.inbox.put(kept(self.folder, report))
