# SPDX-License-Identifier: Apache-2.0
"""One cell, alive: does what its machine decides, over the link that its mapping gives it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from d4py.engine.cell import Act, CellMachine, MissingFrame
from d4py.engine.circuit import Circuit, Terms
from d4py.engine.failure import RAISED, Abandoned, Failure, StopSource, Unwind, describe
from d4py.engine.inlet import WINDOW_ITEMS
from d4py.engine.keeping import restore, states
from d4py.engine.link import (
    Abandon,
    Acknowledged,
    BarrierAsked,
    CannotSnapshot,
    Committed,
    Drain,
    Failed,
    FrameArrived,
    Link,
    Lost,
    Part,
    Released,
    RunOver,
    Snapshotted,
)
from d4py.engine.merging import Merging
from d4py.engine.outlet import FIRST_CREDIT
from d4py.engine.receiver import Hooks
from d4py.engine.sinks import Sinks
from d4py.engine.source import Source
from d4py.errors import NotPicklable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d4py.engine.outlet import Lane
    from d4py.graph.inputs import Calls
    from d4py.graph.pe import GenericPE
    from d4py.items import Frame
    from d4py.plan.plan import Plan

_EAGER = 0.001  # seconds that a value of a long call may wait to be sent
_FOREVER = -1.0


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
    ) -> None:
        """pes: by rank, fresh objects. epoch, start: of the commit that this generation starts from, and the cell's part of it."""
        self.plan = plan
        self.cell = plan.cells[cell]
        self.link = link
        self.start = start
        self.calls = terms.calls
        self.poisoned = poisoned
        self.machine = CellMachine(
            [channel.index for channel in plan.channels_to(cell)],
            [channel.index for channel in plan.channels_from(cell)],
            generation=generation,
            start=start.counters if start else None,
            window=terms.window or WINDOW_ITEMS,
            credit=min(FIRST_CREDIT, terms.window or WINDOW_ITEMS),
        )
        self.circuit = Circuit(plan, cell, pes, self.machine.outlets, self, terms, copies=link.copies)
        self.targets = {
            channel.index: (plan.routes[channel.route].grouping, channel.reader, plan.routes[channel.route].input)
            for channel in plan.channels_to(cell)
        }
        self.sources: list[Source] = []
        self.merging = Merging(self.circuit)
        self.work = 0.0  # seconds per item, smoothed
        self.stopping = False
        self._refresh = False  # credit has come: lanes are to look at their limits
        self.over = False
        self.turn = 0
        self.sinks = Sinks(self.circuit, self._guarded, epoch)

    def run(self) -> None:
        """Live until the run is over. Failures are reported, not raised; Abandoned ends it."""
        try:
            self._begin()
            while not self.over:
                self._act()
        except MissingFrame as error:
            self.link.report(Lost(str(error)))
            self._await_end()
        except Abandoned:
            pass
        except Unwind:
            self._await_end()

    def fail(self, failure: Failure) -> None:
        """Report what failed the run and end the calls in progress."""
        self.link.report(Failed(failure))
        raise Unwind

    def quarantine(self, rank: int, port: str, value: Any, failure: Failure) -> None:
        """Keep an item that no try could process."""
        self.link.quarantine.append(rank, port, (value, failure))

    def output(self, rank: int, name: str, value: Any) -> None:
        """Keep a value that nobody consumes."""
        self.link.outputs.append(rank, name, value)

    def pause(self, seconds: float) -> None:
        """Let time pass, serving the link."""
        until = self.link.clock() + seconds
        while (left := until - self.link.clock()) > 0:
            self._serve(left)

    def full(self, lane: Lane) -> None:
        """Cut a lane, and wait for credit while it stays full."""
        waiting = len(lane.buffer)
        if lane.eager and not lane.idle and waiting < lane.frame_limit():
            now = self.link.clock()
            if now < lane.due:
                lane.limit = 2 * waiting  # a burst: look at the clock again when there are twice as many
                return
            lane.due = now + _EAGER
            self._serve(0)
        self._cut(lane)
        while len(lane.buffer) >= max(lane.limit, lane.frame_limit()):
            self._serve(_FOREVER)
            self._cut(lane)

    def interrupt(self) -> None:
        """Stop a live source that is in its own code now. For signal handlers of the thread that runs this cell."""
        self.stopping = True
        if any(source.inside and source.pe.live for source in self.sources):
            raise StopSource

    def _act(self) -> None:
        if self.sinks.waiting:
            self.link.report(Released(self.cell.index, self.sinks.release()))
        step = self.machine.decide()
        if step.act is Act.RUN:
            assert step.frame is not None
            self._run(step.frame)
        elif step.act is Act.CALL:
            self._call()
        elif step.act is Act.BARRIER and self._splittable():
            self._barrier(step.epoch)
        elif step.act is Act.BARRIER:
            self._call()
        elif step.act is Act.FINISH:
            self._finish()
        else:
            self._serve(_FOREVER)
            return
        self._serve(0)
        self._publish()

    def _publish(self) -> None:
        for rank, count in self.circuit.counts.items():
            self.link.publish(rank, *count.totals())

    def _begin(self) -> None:
        finished = self.start is not None and self.start.final
        for instance in self.circuit.instances:
            pe = self.circuit.pes[instance.rank]
            pe._logger = partial(self.link.log, instance.rank)
            if not finished:
                self._guarded(instance.rank, "preprocess", pe.preprocess)
        if self.start is not None:
            restore(self.circuit, self.start)
            self.merging.partials = dict(self.start.partials)
        if finished:
            return
        try:
            states(self.circuit)
        except NotPicklable as error:
            self.link.report(CannotSnapshot(str(error)))
        for instance in self.circuit.instances:
            calls = self.calls.get(instance.pe)
            if calls is not None and instance.number == 0:
                self.sources.append(self._source(instance.rank, calls))
        self.machine.calling = bool(self.sources)
        for lane in self.circuit.lanes:
            lane.refresh()

    def _source(self, rank: int, calls: Calls) -> Source:
        pe = self.circuit.pes[rank]
        position = self.start.positions.get(rank) if self.start else None
        if position is not None and position.offset is not None:
            pe.seek(position.offset)  # type: ignore[attr-defined]
        return Source(
            pe,
            self.plan.instances[rank],
            self.circuit,
            calls,
            clock=self.link.clock,
            between=self._between,
            journal=self.link.journal(rank) if pe.replay == "spool" else None,
            position=position,
        )

    def _run(self, frame: Frame) -> None:
        grouping, rank, port = self.targets[frame.channel]
        if grouping == "merge":
            self.merging.take(frame, rank)
        else:
            self._items(frame, rank, port)
        self._flush()
        inlet = self.machine.done(frame)
        self.link.acknowledge(frame.channel, frame.number, inlet.grant(self.work))

    def _items(self, frame: Frame, rank: int, port: str) -> None:
        items, note, clock, poisoned = frame.items, self.link.note, self.link.clock, self.poisoned
        note[1], note[2], note[0] = frame.number, 0, frame.channel + 1
        eager = len(items) == 1
        if eager:
            self._eager(True)
        began = clock()
        chain = self.circuit.chain(rank, port)
        if chain is not None and poisoned is None:
            chain.run(items, note)
        else:
            receive = self.circuit.receiver(rank, port)
            for index, value in enumerate(items):
                note[2] = index
                if poisoned is not None and poisoned(frame, index):
                    self._set_aside(frame, value)
                else:
                    receive(value)
        spent = (clock() - began) / max(1, len(items))
        note[0] = 0
        self.work = spent if not self.work or spent < self.work else 0.7 * self.work + 0.3 * spent
        if eager:
            self._eager(False)

    def _set_aside(self, frame: Frame, value: Any) -> None:
        """Put an item into quarantine that killed its worker twice."""
        _, rank, port = self.targets[frame.channel]
        instance, count = self.plan.instances[rank], self.circuit.counts[rank]
        count.read[port].n += 1
        count.quarantined.n += 1
        error = RuntimeError("the worker died on this item, twice")
        self.quarantine(
            rank,
            port,
            value,
            describe(
                error, pe=instance.pe, instance=instance.label, item=count.read[port].n - 1, port=port, value=value
            ),
        )

    def _call(self) -> None:
        """Let the sources take turns."""
        if self.stopping:
            for source in self.sources:
                if source.pe.live:
                    source.stop()
        self.turn += 1
        waiting = [source for source in self.sources if not source.exhausted]
        if waiting:
            source = waiting[self.turn % len(waiting)]
            if source.slow:
                self._eager(True)
                source.step()
                self._eager(False)
            else:
                source.step()
            self._cut_idle()
        self.machine.calling = any(not source.exhausted for source in self.sources)
        if not self.machine.calling:
            self._flush()

    def _between(self) -> None:
        """Between two writes of a long call: serve the link, stop a live source, take a barrier that was asked for."""
        self._serve(0)
        self._publish()
        if self.stopping and any(source.calling and source.pe.live for source in self.sources):
            raise StopSource
        if self.machine.asked and not self.machine.inlets and self._splittable():
            self._barrier(self.machine.asked)

    def _splittable(self) -> bool:
        return all(source.splittable for source in self.sources)

    def _barrier(self, epoch: int) -> None:
        self._flush()
        for outlet in self.machine.outlets.values():
            self.link.send(outlet.barrier(epoch))
        self._hand_over(epoch)
        for frame in self.machine.barrier_taken():
            self.link.acknowledge(frame.channel, frame.number, self.machine.inlets[frame.channel].granted)

    def _finish(self) -> None:
        for instance in self.circuit.instances:
            self._guarded(instance.rank, "postprocess", partial(self._end, instance.rank))
        self._flush()
        for outlet in self.machine.outlets.values():
            self.link.send(outlet.end())
        marks = self.machine.finish()
        self._hand_over(0)
        for frame in marks:
            self.link.acknowledge(frame.channel, frame.number, self.machine.inlets[frame.channel].granted)

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
        part.outputs = self.link.outputs.reach()
        part.quarantined = self.link.quarantine.reach()
        self.link.report(Snapshotted(part))

    def _guarded(self, rank: int, during: str, call: Any) -> None:
        instance = self.plan.instances[rank]
        try:
            call()
        except RAISED as error:
            self.fail(describe(error, pe=instance.pe, instance=instance.label, during=during))

    def _serve(self, wait: float) -> None:
        for event in self.link.poll(wait):
            if isinstance(event, FrameArrived):
                self.machine.arrive(event.frame)
            elif isinstance(event, (Acknowledged, BarrierAsked)) and event.generation != self.machine.generation:
                continue  # of what was before a rewind
            elif isinstance(event, Acknowledged):
                self.machine.outlets[event.channel].acknowledge(event.number, event.credit)
                self._refresh = True
            elif isinstance(event, BarrierAsked):
                self.machine.asked = event.epoch
            elif isinstance(event, Committed) and event.generation <= self.machine.generation:
                self.sinks.committed = event.epoch
            elif isinstance(event, Drain):
                self.stopping = True
            elif isinstance(event, RunOver):
                self.over = True
            elif isinstance(event, Abandon):
                raise Abandoned
        if self._refresh:
            self._refresh = False
            for lane in self.circuit.lanes:
                lane.refresh()

    def _cut(self, lane: Lane) -> None:
        for frame in lane.cut():
            self.machine.outlets[frame.channel].sent(self.link.send(frame), frame.number)
        lane.refresh()

    def _cut_idle(self) -> None:
        for lane in self.circuit.lanes:
            if lane.buffer and (lane.idle or len(lane.buffer) >= lane.limit):
                self._cut(lane)

    def _flush(self) -> None:
        for lane in self.circuit.lanes:
            while lane.buffer:
                self._cut(lane)
                if lane.buffer:
                    self._serve(_FOREVER)

    def _eager(self, on: bool) -> None:
        for lane in self.circuit.lanes:
            lane.eager = on
            lane.refresh()

    def _await_end(self) -> None:
        while True:
            try:
                if any(isinstance(event, (RunOver, Abandon)) for event in self.link.poll(_FOREVER)):
                    return
            except Abandoned:
                return
