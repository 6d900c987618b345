# SPDX-License-Identifier: Apache-2.0
"""Defects to be caught: each is one rule of the protocol broken, in a subclass of the engine's machine or in what the shell and the mapping do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from defect import defect
from heir_defects import HEIR_DEFECTS
from rules import Part, Rules
from shell import Effect, Op, Shell
from sink_defects import SINK_DEFECTS
from systems import Place, System, chain, diamond, fan_in, fan_out, made

from d4py.engine.cell import CellMachine, Counters, MissingFrame, Step
from d4py.engine.coordinator import Commit, Coordinator, Instruction, MakeCommit
from d4py.engine.inlet import Arrival, Inlet
from d4py.items import Frame, Kind

_KILL_ALL = {"zombies": False}


class AcknowledgesFirst(Shell):
    def run(self, frame: Frame) -> tuple[Op, ...]:
        *before, done = super().run(frame)
        return (done, *before)


class CreditLost(Shell):
    def __init__(
        self, rules: Rules, system: System, place: Place, generation: int, part: Part | None, epoch: int
    ) -> None:
        super().__init__(rules, system, place, generation, part, epoch)
        if generation > 1:
            for outlet in self.machine.outlets.values():
                outlet.credit = outlet.count
            for lane in self.lanes:
                lane.refresh()


class CountersForgotten(Shell):
    def __init__(
        self, rules: Rules, system: System, place: Place, generation: int, part: Part | None, epoch: int
    ) -> None:
        if part is not None:
            part = replace(part, counters=Counters(ended=part.counters.ended, finished=part.counters.finished))
        super().__init__(rules, system, place, generation, part, epoch)


class StateForgotten(Shell):
    def __init__(
        self, rules: Rules, system: System, place: Place, generation: int, part: Part | None, epoch: int
    ) -> None:
        super().__init__(rules, system, place, generation, part, epoch)
        self.seen = {}


class OffsetAfter(Shell):
    def part(self, epoch: int) -> Part:
        part = super().part(epoch)
        return replace(part, position=part.position + 1) if part.position is not None and self.place.pe.items else part


class OffsetBefore(Shell):
    def part(self, epoch: int) -> Part:
        part = super().part(epoch)
        return replace(part, position=max(0, part.position - 1)) if part.position is not None else part


class RunsItself(Shell):
    """A write that waits for credit takes the next frame in hand."""

    def arrive(self, frame: Frame) -> Effect | None:
        lost = super().arrive(frame)
        if lost is None and self.ops:
            try:
                self.ops = (*self._decide(), *self.ops)
            except MissingFrame as error:
                return self._lost(error)
        return lost


class SplitsWrite(Shell):
    """A source looks for its barrier between two channels of one write."""

    def write(self, value: int) -> tuple[Op, ...]:
        puts = super().write(value)
        return tuple([op for put in puts for op in (put, ("gap",))][:-1])

    def _do_gap(self) -> None:
        if self.machine.asked:
            self.ops = (*self.barrier(self.machine.asked), *self.ops)


class BarrierLeftBehind(Shell):
    """Outputs that wait in a lane are not sent before the barrier."""

    def barrier(self, epoch: int) -> tuple[Op, ...]:
        return tuple([op for op in super().barrier(epoch) if op[0] != "flush"])

    def call(self) -> tuple[Op, ...]:
        return tuple([op for op in super().call() if op[0] != "idle"])


class PartBeforeBarrier(Shell):
    """The part is made before the frames in hand are flushed."""

    def barrier(self, epoch: int) -> tuple[Op, ...]:
        return (("hand", epoch), ("flush",), ("barriers", epoch), ("taken",))

    def call(self) -> tuple[Op, ...]:
        return tuple([op for op in super().call() if op[0] != "idle"])


class EndsUncounted(CellMachine):
    __slots__ = ()

    def _mark(self, frame: Frame, inlet: Inlet) -> Step | None:
        return super()._mark(replace(frame, first=inlet.count), inlet)


class NotAligned(CellMachine):
    __slots__ = ()

    def _mark(self, frame: Frame, inlet: Inlet) -> Step | None:
        step = super()._mark(frame, inlet)
        inlet.aligned = False
        return self._barrier(frame.epoch) if frame.kind is Kind.BARRIER and step is None else step


class EndDoesNotAlign(CellMachine):
    __slots__ = ()

    def _mark(self, frame: Frame, inlet: Inlet) -> Step | None:
        step = super()._mark(frame, inlet)
        return step if all(other.aligned for other in self.inlets.values()) else None


class EndsWithTheFirst(CellMachine):
    __slots__ = ()

    def _mark(self, frame: Frame, inlet: Inlet) -> Step | None:
        step = super()._mark(frame, inlet)
        if frame.kind is Kind.END:
            for other in self.inlets.values():
                other.ended = True
        return step


class HeldForgotten(CellMachine):
    __slots__ = ()

    def barrier_taken(self) -> list[Frame]:
        self.held = []
        return super().barrier_taken()


class AnyGeneration(Inlet):
    __slots__ = ()

    def judge(self, frame: Frame) -> Arrival:
        return super().judge(replace(frame, generation=self.generation))


class SeesTwice(Inlet):
    __slots__ = ()

    def judge(self, frame: Frame) -> Arrival:
        if frame.generation == self.generation and frame.number < self.expected:
            return Arrival.NEXT
        return super().judge(frame)


class SeesTwiceOffByOne(Inlet):
    __slots__ = ()

    def judge(self, frame: Frame) -> Arrival:
        if frame.generation == self.generation and frame.number == self.expected - 1:
            return Arrival.NEXT
        return super().judge(frame)


class GrantsTwice(Inlet):
    __slots__ = ()

    def grant(self, work: float) -> int:
        self.granted = super().grant(work) + 1
        return self.granted


class CommitsEarly(Coordinator):
    def _complete(self) -> Iterator[Instruction]:
        if self.epoch and self.parts and self.committing is None and len(self.finals) < len(self.cells):
            commit = self.committing = Commit(self.generation, self.epoch, {**self.finals, **self.parts})
            self.epoch, self.parts = 0, {}
            yield MakeCommit(commit)
        else:
            yield from super()._complete()


class MixesParts(Coordinator):
    """Takes parts of an older generation."""

    def part(self, generation: int, cell: int, epoch: int, key: str) -> Iterator[Instruction]:
        return super().part(self.generation, cell, epoch, key)

    def final(self, generation: int, cell: int, key: str) -> Iterator[Instruction]:
        return super().final(self.generation, cell, key)


class OldCommitCounts(Coordinator):
    """Goes by a commit that was durable only after the rewind."""

    def committed(self, commit: Commit) -> Iterator[Instruction]:
        return super().committed(replace(commit, generation=self.generation))


class KeepsDeadFinals(Coordinator):
    """Final parts that no commit had outlive the rewind."""

    def died(self, reason: str) -> Iterator[Instruction]:
        finals = dict(self.finals)
        yield from list(super().died(reason))
        self.finals = finals


class ForgetsFinals(Coordinator):
    """Cells that a commit found ended are expected to end again."""

    def died(self, reason: str) -> Iterator[Instruction]:
        yield from list(super().died(reason))
        self.finals = {}


class NeverGivesUp(Coordinator):
    """Counts no restarts, so that an item which kills can do so for ever."""

    def died(self, reason: str) -> Iterator[Instruction]:
        self.rewinds = 0
        return super().died(reason)


_CHAIN = made("chain", chain(2, "map"))
_CHAIN_QUIET = made("chain", chain(3, "map"), crashes=0, free=True)
_TWO = made("two sources", fan_in(2, 1), crashes=0)
_TWO_CRASH = made("two sources", fan_in(1, 1), **_KILL_ALL)
_KEYS = made("fan-out", fan_out(2, "key"))

DEFECTS = (
    defect("acknowledge before sending", _CHAIN_QUIET, "its writer has credit for 1", shell=AcknowledgesFirst),
    defect("credit lost in a crash", _CHAIN, "can't end", shell=CreditLost),
    defect("more credit than there is room", _CHAIN_QUIET, "beyond its credit", inlet=GrantsTwice),
    defect("commit before all parts", _CHAIN, "has the parts of cells", coordinator=CommitsEarly),
    defect(
        "commit known before it is durable",
        made("coordinator", chain(1, "map"), coordinator_crashes=1, **_KILL_ALL),
        "disk does not say so",
        durable_first=False,
    ),
    defect(
        "end without counting",
        made("emptied", chain(2, "map"), credit=2, crashes=0, fault="empty"),
        "books do not balance",
        machine=EndsUncounted,
    ),
    defect("end with the first writer", _TWO, "disagree on whether it ended", machine=EndsWithTheFirst),
    defect("barrier not aligned", _TWO, "books do not balance", machine=NotAligned),
    defect("an end mark does not align", _TWO, "can't end", machine=EndDoesNotAlign),
    defect("what waited behind a barrier is forgotten", _TWO, "though nothing was lost", machine=HeldForgotten),
    defect(
        "a barrier overtakes items",
        made("credit", chain(4, "map"), credit=6, crashes=0),
        "Committed",
        shell=BarrierLeftBehind,
    ),
    defect(
        "a part is made before what it covers is sent",
        made("credit", chain(4, "map"), credit=6, crashes=0),
        "books do not balance",
        shell=PartBeforeBarrier,
    ),
    defect("a barrier splits a write", made("diamond", diamond(2), crashes=0), "Committed", shell=SplitsWrite),
    defect(
        "a blocked write runs itself",
        made("chain", chain(2, "twice"), crashes=0, free=True),
        "though nothing was lost",
        shell=RunsItself,
    ),
    defect("generation of frames not checked", _KEYS, "where 1 was due", inlet=AnyGeneration),
    defect("generation of acknowledgements not checked", _CHAIN, "beyond its credit", acks_checked=False),
    defect(
        "generation of requests not checked",
        made("two sources", fan_in(1, 0), epochs=2, **_KILL_ALL),
        "disagree on whether it ended",
        asks_checked=False,
    ),
    defect("generation of parts not checked", _CHAIN, "books do not balance", coordinator=MixesParts),
    defect("a commit of an older generation counts", _CHAIN, "disk does not say so", coordinator=OldCommitCounts),
    defect("frames of a newer generation dropped", _CHAIN, "where 0 was due", newer="dropped"),
    defect("frames of a newer generation taken as one's own", _CHAIN, "where 0 was due", newer="taken"),
    defect("counters not restored", _KEYS, "counts 0 items", shell=CountersForgotten),
    defect("state not restored", made("chain", chain(2, "total")), "Committed", shell=StateForgotten),
    defect("source offset taken after", _KEYS, "Committed", shell=OffsetAfter),
    defect("source offset off by one", _KEYS, "Committed", shell=OffsetBefore),
    defect("outputs not truncated on rewind", _KEYS, "and has (0,)", truncates=False),
    defect(
        "repeated frame processed twice",
        made("repeated", chain(1, "map"), crashes=0, copies=1),
        "2 items came of 1",
        inlet=SeesTwice,
    ),
    defect(
        "dedupe off by one",
        made("repeated", chain(1, "map"), crashes=0, copies=1),
        "2 items came of 1",
        inlet=SeesTwiceOffByOne,
    ),
    defect("final parts outlive a rewind", _TWO_CRASH, "books do not balance", coordinator=KeepsDeadFinals),
    defect("ended cells expected to end again", _TWO_CRASH, "can't end", coordinator=ForgetsFinals),
    defect(
        "poison loop",
        made("an item kills", chain(2, "map"), crashes=0, poison=1, restarts=2),
        "rewinds since the last commit",
        coordinator=NeverGivesUp,
    ),
    *SINK_DEFECTS,
    *HEIR_DEFECTS,
)
