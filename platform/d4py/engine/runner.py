# SPDX-License-Identifier: Apache-2.0
"""One cell, alive: does what its machine decides, over the link that its mapping gives it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.engine.cell import Act, CellMachine, MissingFrame
from d4py.engine.circuit import Circuit, Terms
from d4py.engine.cutter import FOREVER, Cutter
from d4py.engine.deposits import Deposits
from d4py.engine.estate import END
from d4py.engine.failure import RAISED, Abandoned, Failure, StopSource, Unwind, describe
from d4py.engine.inlet import WINDOW_ITEMS
from d4py.engine.keeping import restore, states
from d4py.engine.link import (
    Abandon,
    Acknowledged,
    BarrierAsked,
    Bereaved,
    CannotSnapshot,
    Committed,
    Drain,
    Event,
    Failed,
    FrameArrived,
    Link,
    Lost,
    Part,
    Released,
    RunOver,
    Snapshotted,
    Standing,
)
from d4py.engine.merging import Merging
from d4py.engine.outlet import FIRST_CREDIT
from d4py.engine.receiver import Hooks
from d4py.engine.refusal import dropped
from d4py.engine.sinks import Sinks
from d4py.engine.source import Source
from d4py.engine.succession import Lasting, Succession
from d4py.engine.taking import Taking
from d4py.errors import NotPicklable
from d4py.items.arrays import empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from d4py.engine.estate import Estate
    from d4py.engine.outlet import Lane
    from d4py.graph.inputs import Calls
    from d4py.graph.pe import GenericPE
    from d4py.items import Frame
    from d4py.plan.plan import Plan


class Runner(Hooks):
    """Runs one cell of a plan in one generation."""

    def __init__(
        self,
        plan: Plan,
        cell: int,
        pes: Mapping[int, GenericPE],
        link: Link,
        *,
        terms: Terms,
        generation: int = 1,
        epoch: int = 0,
        start: Part | None = None,
        poisoned: Callable[[Frame, int], bool] | None = None,
        alone: bool = False,
        estate: Estate | None = None,
    ) -> None:
        """pes: by rank, fresh objects. epoch, start: of the commit that this generation starts from, and the cell's part of it.

        alone: whether it is replaced alone if it dies. estate: of the predecessor, if it was.
        """
        self.plan = plan
        self.cell = plan.cells[cell]
        self.link, self.start = link, start
        self.calls = terms.calls
        self.machine = CellMachine(
            [channel.index for channel in plan.channels_to(cell)],
            [channel.index for channel in plan.channels_from(cell)],
            generation=generation,
            start=start.counters if start else None,
            window=terms.window or WINDOW_ITEMS,
            credit=min(FIRST_CREDIT, terms.window or WINDOW_ITEMS),
        )
        self.lock = link.lock
        self.hurry: list[None] = []  # filled now and then: a source that sees it filled ends its step
        self.deposits = Deposits(plan, link, self.fail)
        self.output, self.quarantine = self.deposits.output, self.deposits.quarantine
        self.cutter = Cutter(self.machine.outlets, link, self._serve, self.fail)
        self.circuit = Circuit(plan, cell, pes, self.machine.outlets, self, terms, copies=link.copies, near=link.near)
        self.succession = (
            Succession(self.circuit, self.cutter, link, self.deposits, generation, estate) if alone else Lasting()
        )
        if estate is not None:
            self.machine.inherit(estate)
        self.cutter.take(self.circuit.lanes)
        self.sources: list[Source] = []
        self.merging = Merging(self.circuit)
        self.taking = Taking(plan, self.circuit, self.merging, self.cutter, link, self, poisoned)
        self.unwinding: Unwind | None = None
        self.stopping, self.over, self.turn = False, False, 0
        self.sinks = Sinks(self.circuit, self._guarded, epoch)

    def run(self) -> None:
        """Live until the run is over. Failures are reported, not raised; Abandoned ends it."""
        self.lock.acquire()
        try:
            self._begin()
            while not self.over:
                self._act()
                if self.unwinding is not None:  # a PE caught what ends it, and returned
                    raise self.unwinding
        except MissingFrame as error:
            self.link.report(Lost(str(error)))
            self._await_end()
        except Abandoned:
            pass
        except Unwind:
            self._await_end()
        finally:
            self.lock.release()

    def tend(self) -> None:
        """Send what has waited and take in acknowledgements, while a call takes its time. For another thread."""
        self.hurry[:] = [None]
        due = self.link.urgent or any(lane.buffer for lane in self.cutter.lanes)
        if not due or not self.lock.acquire(blocking=False):
            return
        try:
            self._take_in(self.link.glance())
            self.cutter.cut_all()
        except Unwind as unwind:
            self._refuse(unwind)
        except Exception as error:
            self.link.report(Failed(describe(error, pe="(engine)", instance="(engine)", during="running")))
        finally:
            self.lock.release()

    @contextmanager
    def unlocked(self) -> Iterator[None]:
        """Let `tend` in while users' code runs. All else is done with the lock held."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    def full(self, lane: Lane) -> None:
        """Cut a lane if it is time; wait for credit while it stays full."""
        with self.lock:
            self.cutter.full(lane)

    def fail(self, failure: Failure) -> NoReturn:
        """Report what failed the run and end the calls in progress."""
        with self.lock:
            self.link.report(Failed(failure))
        self._refuse(unwind := Unwind())
        raise unwind

    def pause(self, seconds: float) -> None:
        """Let time pass, serving the link."""
        until = self.link.clock() + seconds
        with self.lock:
            while (left := until - self.link.clock()) > 0:
                self._serve(left)

    def interrupt(self) -> None:
        """Stop a live source that is in its own code now. For signal handlers of the thread that runs this cell."""
        self.stopping = True
        live = [source for source in self.sources if source.pe.live]
        for source in live:
            source.halted = True
        if any(source.inside for source in live):
            raise StopSource

    def _act(self) -> None:
        if self.sinks.waiting:
            self.link.report(Released(self.cell.index, self.sinks.release()))
        step = self.machine.decide()
        if step.frame is not None:
            self._run(step.frame)
        elif step.act is Act.CALL or (step.act is Act.BARRIER and not self._splittable()):
            self._call()
        elif step.act is Act.BARRIER:
            self._barrier(step.epoch)
        elif step.act is Act.FINISH:
            self._finish()
        else:
            self._serve(FOREVER)
            return
        if step.frame is None or self.machine.queue:  # else the next decision is to wait for more
            self._serve(0)
        self._publish()

    def _publish(self) -> None:
        for rank, count in self.circuit.counts.items():
            self.link.publish(rank, *count.totals())

    def _begin(self) -> None:
        finished = self.start is not None and self.start.final
        first = not finished and self.succession.begin() and self.start is None
        for instance in self.circuit.instances:
            pe = self.circuit.pes[instance.rank]
            pe._logger, pe._empty = partial(self.link.log, instance.rank), partial(empty, give=self.link.empty)
            if not finished:
                with nullcontext() if first else dropped(pe):
                    self._guarded(instance.rank, "preprocess", pe.preprocess, long=True)
        if self.start is not None:
            restore(self.circuit, self.start)
            self.merging.partials, self.taking.seconds = dict(self.start.partials), self.start.seconds
        if finished:
            return
        self.succession.ready()
        try:
            states(self.circuit)
        except NotPicklable as error:
            self.link.report(CannotSnapshot(str(error)))
        for instance in self.circuit.instances:
            calls = self.calls.get(instance.pe)
            if calls is not None and instance.number == 0:
                self.sources.append(self._source(instance.rank, calls))
        self.machine.calling = bool(self.sources)
        self._serve(0)  # a source that is to stop already is not called
        self.link.tick(self.tend)

    def _source(self, rank: int, calls: Calls) -> Source:
        pe = self.circuit.pes[rank]
        return Source(
            pe,
            self.plan.instances[rank],
            self.circuit,
            calls,
            clock=self.cutter.own_time,
            meter=self.cutter.users_time,
            between=self._between,
            hurry=self.hurry,
            journal=self.link.journal(rank) if pe.replay == "spool" else None,
            position=self.start.positions.get(rank) if self.start else None,
        )

    def _run(self, frame: Frame) -> None:
        self.succession.cause(place := (frame.channel, frame.number))
        self.taking.take(frame)
        self.cutter.flush()
        inlet = self.machine.done(frame)
        frame.items = []  # what nobody keeps is garbage now, and goes back with the acknowledgement
        self.succession.settle(place)
        self.link.acknowledge(*place, inlet.grant(self.taking.work))
        self.succession.drain()

    def _call(self) -> None:
        """Let the sources take turns."""
        if self.stopping:
            for source in self.sources:
                if source.pe.live:
                    source.stop()
        waiting = [source for source in self.sources if not source.exhausted]
        if waiting:
            source = waiting[self.turn % len(waiting)]
            self.turn += 1
            eager = source.slow
            if eager:
                self.cutter.eager(True)
            with self.unlocked():
                source.step()
            if eager:
                self.cutter.eager(False)
            cut = self.cutter.cut_all if source.dragged else self.cutter.cut_idle  # the next may be long in coming
            cut()
            if all(other.rest for other in waiting):
                self._serve(min(other.rest for other in waiting))
        self.machine.calling = any(not source.exhausted for source in self.sources)
        if not self.machine.calling:
            self.cutter.flush()

    def _between(self) -> None:
        """Between two writes of a long call: serve the link, stop a live source, take a barrier that was asked for."""
        with self.lock:
            self._serve(0)
            self._publish()
            self._split()

    def _split(self) -> None:
        if self.stopping and any(source.calling and source.pe.live for source in self.sources):
            raise StopSource
        if self.machine.asked and not self.machine.inlets and self._splittable():
            self._barrier(self.machine.asked)

    def _splittable(self) -> bool:
        return all(source.splittable for source in self.sources)

    def _barrier(self, epoch: int) -> None:
        self.cutter.flush()
        self._pass_on(self.machine.barriers(epoch))
        self._hand_over(epoch)
        self._acknowledge(self.machine.barrier_taken())

    def _pass_on(self, marks: list[Frame]) -> None:
        for frame in marks:
            self.link.send(frame)
        self.succession.drain()

    def _acknowledge(self, marks: list[Frame]) -> None:
        for frame in marks:
            self.link.acknowledge(frame.channel, frame.number, self.machine.inlets[frame.channel].granted)
        self.succession.drain()

    def _finish(self) -> None:
        self.succession.cause(END)
        for instance in self.circuit.instances:
            self._guarded(instance.rank, "postprocess", partial(self._end, instance.rank), long=True)
        self.cutter.flush()
        self.succession.drain()  # what is lost on the way to one reader can go to another, if that has no end mark yet
        self._pass_on(self.machine.ends())
        marks = self.machine.finish()
        self._hand_over(0)
        self._acknowledge(marks)

    def _end(self, rank: int) -> None:
        if not self.merging.give(rank):
            self.merging.settle(rank)
            self.circuit.pes[rank].postprocess()

    def _hand_over(self, epoch: int) -> None:
        finished = self.machine.finished
        part = Part(self.machine.generation, self.cell.index, epoch, self.machine.counters())
        part.counts = {rank: count.to_json() for rank, count in self.circuit.counts.items()}
        self.sinks.prepare(epoch)
        try:
            part.states = states(self.circuit, self.sources, finished=finished)
        except NotPicklable as error:
            self.link.report(CannotSnapshot(str(error)))
            if not finished:
                return
        if not finished:
            part.partials = dict(self.merging.partials)
            part.positions = {source.instance.rank: source.position() for source in self.sources}
        part.outputs, part.quarantined = self.deposits.reach()
        part.seconds = self.taking.seconds + sum(source.seconds for source in self.sources)
        self.link.report(Snapshotted(part))

    def _guarded(self, rank: int, during: str, call: Any, *, long: bool = False) -> None:
        """Make a call of a PE; an exception fails the run. long: it may write, and take its time."""
        instance = self.plan.instances[rank]
        try:
            with self.unlocked() if long else nullcontext():
                call()
        except RAISED as error:
            self.fail(describe(error, pe=instance.pe, instance=instance.label, during=during))

    def _serve(self, wait: float) -> None:
        """Take in what came over the link; every Unwind that this raises is raised again at each later write."""
        try:
            self._take_in(self.link.poll(wait))
        except Unwind as unwind:
            self._refuse(unwind)
            raise

    def _take_in(self, events: Sequence[Event]) -> None:
        acknowledged: set[int] = set()
        for event in events:
            if isinstance(event, FrameArrived):
                self.machine.arrive(event.frame)
            elif isinstance(event, (Acknowledged, BarrierAsked)) and event.generation != self.machine.generation:
                continue  # of what was before a rewind
            elif isinstance(event, Acknowledged):
                self.machine.outlets[event.channel].acknowledge(event.number, event.credit)
                acknowledged.add(event.channel)
            elif isinstance(event, BarrierAsked):
                self.machine.asked = event.epoch
            elif isinstance(event, Committed) and event.generation <= self.machine.generation:
                self.sinks.committed = event.epoch
            elif isinstance(event, Drain):
                self.stopping = True
            elif isinstance(event, Bereaved):
                self.link.report(Standing(self.cell.index, event.dead, self.machine.standing(event.channels)))
            elif isinstance(event, RunOver):
                self.over = True
            elif isinstance(event, Abandon):
                raise Abandoned
        if acknowledged:
            self.cutter.acknowledged(acknowledged)

    def _refuse(self, unwind: Unwind) -> None:
        """A PE that catches what ends its calls is to meet it again at its next write."""
        self.unwinding = unwind
        self.circuit.refuse(unwind)

    def _await_end(self) -> None:
        with suppress(Abandoned):
            while not any(isinstance(event, (RunOver, Abandon)) for event in self.link.poll(FOREVER)):
                pass
