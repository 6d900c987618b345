# SPDX-License-Identifier: Apache-2.0
"""Defects of replacing one cell alone, to be caught: what its readers have is sent again, or what they have not is forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from defect import defect
from heir import Heir, Neighbour
from replacing import alone, beside, in_turn, joined, spools, through, twofold
from shell import Effect, Op

from d4py.engine.cell import CellMachine
from d4py.engine.coordinator import Coordinator
from d4py.engine.estate import Cause, Demand, Estate, Ranges
from d4py.engine.estate import joined as lengthened
from d4py.engine.inlet import Inlet
from d4py.engine.outlet import Lane, Outlet
from d4py.engine.succession import Succession
from d4py.items import Frame
from d4py.mappings.multi.vacancies import Vacancies


class SkipsOneMore(Lane):
    __slots__ = ()

    def inherit(self, cause: Cause, had: Mapping[int, Ranges]) -> None:
        super().inherit(
            cause, {channel: lengthened(ranges, ranges[-1][1], ranges[-1][1] + 1) for channel, ranges in had.items()}
        )


class SkipsOneLess(Lane):
    __slots__ = ()

    def inherit(self, cause: Cause, had: Mapping[int, Ranges]) -> None:
        super().inherit(
            cause, {channel: tuple([(first, stop - 1) for first, stop in ranges]) for channel, ranges in had.items()}
        )


class AsksItsOwnReaderOnly(Lane):
    """On a shuffled lane it is not looked at what the other readers have."""

    __slots__ = ()

    def inherit(self, cause: Cause, had: Mapping[int, Ranges]) -> None:
        super().inherit(
            cause, {channel: ranges for channel, ranges in had.items() if channel == self.outlets[0].channel}
        )


class BarrierTwice(CellMachine):
    __slots__ = ()

    def inherit(self, estate: Estate) -> None:
        super().inherit(replace(estate, demands=tuple([demand._replace(passed=0) for demand in estate.demands])))


class NoDoubt(CellMachine):
    __slots__ = ()

    def inherit(self, estate: Estate) -> None:
        super().inherit(estate)
        self.doubt = None


class WaitsForBarriers(CellMachine):
    """A successor wants the barriers of all its writers, whatever was acknowledged."""

    __slots__ = ()

    def inherit(self, estate: Estate) -> None:
        super().inherit(estate)
        self.taken = 0


class RangesOfOlderCauses(Inlet):
    __slots__ = ()

    def _remember(self, frame: Frame) -> None:
        before = self.ranges
        super()._remember(frame)
        if frame.cause is not None and before and before not in (self.ranges, self.ranges[:1]):
            self.ranges = (*before, *self.ranges)


class EndForgotten(Inlet):
    """It is taken for sent to all as soon as one cause was the end."""

    __slots__ = ()

    def demand(self) -> Demand:
        return super().demand()._replace(ended=True)


class FirstCreditLost(Outlet):
    __slots__ = ()

    def inherit(self, demand: Demand) -> None:
        super().inherit(demand)
        self.credit = demand.credit


class MarksNotKept(Neighbour):
    """A writer keeps what holds items only."""

    def _do_send(self, frame: Frame) -> Effect:
        before = dict(self.kept)
        effect = super()._do_send(frame)
        if not frame.items:
            self.kept = before
        return effect


class GapNotRepeated(Neighbour):
    def join(self, dead: int) -> Effect:
        name, frames, _ = super().join(dead)
        return (name, frames, ())


class SettlesLast(Heir):
    """The entry follows the acknowledgement."""

    def _do_settle(self, frame: Frame) -> Effect:
        inlet = self.machine.done(frame)
        self.ops = (("enter", (frame.channel, frame.number)), *self.ops)
        return ("ack", frame.channel, frame.number, inlet.grant(0.0))

    def _do_enter(self, place: Cause) -> Effect:
        self.succession.settle(place)
        return ("settled",)


class AcknowledgesBeforeSending(Heir):
    def run(self, frame: Frame) -> tuple[Op, ...]:
        cause, *before, done = super().run(frame)
        return (cause, done, *before)


class EndsAtOnce(Heir):
    """End marks are sent while what was written before them may still be in the process."""

    def end(self) -> tuple[Op, ...]:
        first = super().end().index(("drain",))
        return tuple([op for place, op in enumerate(super().end()) if place != first])


class NotDrained(Succession):
    """What was sent may be in the process still when its frame is acknowledged."""

    def drain(self) -> None:
        pass


class CountsAnew(Succession):
    def ready(self) -> None:
        if self._settled is not None:
            self._settled = self._settled._replace(counts=(0, 0))
        super().ready()


class SpoolNotCut(Succession):
    def ready(self) -> None:
        if self._settled is not None:
            size, records = self._settlement._spools[0].length
            self._settled = self._settled._replace(lengths=(size, records, 0, 0))
        super().ready()


class AnyEntry(Succession):
    """The last entry counts, whether its frame was acknowledged or not."""

    def __init__(
        self, circuit: Any, cutter: Any, link: Any, deposits: Any, generation: int, estate: Estate | None
    ) -> None:
        super().__init__(circuit, cutter, link, deposits, generation, estate)
        if estate is not None:
            self._settled = self._settlement.found(dict.fromkeys(estate.heads, 1 << 30))


class Careless(Vacancies):
    """Whoever can be replaced is, whatever happened to its neighbours."""

    def may(self, dead: Collection[int], coordinator: Coordinator) -> bool:
        return all(one in self.heirs.replaceable and one not in coordinator.finals for one in dead)


class Timid(Vacancies):
    """Nobody is replaced who has a neighbour that was, ever."""

    def may(self, dead: Collection[int], coordinator: Coordinator) -> bool:
        return super().may(dead, SimpleNamespace(finals=coordinator.finals, over=coordinator.over, last=None, newest=0))  # type: ignore[arg-type]


_MORTAL = {"mortal": ("middle",)}
_QUIET = {"epochs": 0, **_MORTAL}
_CHAIN = alone("chain", through(2, "twice"), **_QUIET)
_BARRIER = alone("chain", through(1, "map"), **_MORTAL)
_MANY = alone("two readers", through(1, "twice", readers=2), **_QUIET)
_SPOOL = alone("spool", spools(2), mortal=("leaf",))
_BARRIERS = alone("two sources", joined(0, 0, "map"), **_MORTAL)
_BESIDE = alone("two writers", beside(0), **_MORTAL)
_TWICE = alone("two channels", twofold(1, "map"), crashes=2, ordered=False, **_QUIET)
_GREETS = alone("two readers", through(0, "greets", readers=2), **_QUIET)
_NEAR = alone("neighbours", in_turn(1), crashes=2, epochs=0, mortal=("first", "second"))

HEIR_DEFECTS = (
    defect("dedupe off by one, one too many", _CHAIN, "sink has the items 0, 1, 100; it should", lane=SkipsOneMore),
    defect("dedupe off by one, one too few", _CHAIN, "sink has the items 0, 1, 100, 101, 101", lane=SkipsOneLess),
    defect(
        "a successor looks at one reader of a shuffled lane",
        _MANY,
        "sink has the items 0, 100, 100",
        lane=AsksItsOwnReaderOnly,
    ),
    defect("a barrier is not kept, nor an end mark", _BARRIER, "where 0 was due", neighbour=MarksNotKept),
    defect("a barrier is sent twice", _BESIDE, "disagree on whether it ended", machine=BarrierTwice),
    defect(
        "barriers that were acknowledged to some writers are waited for",
        _BARRIERS,
        "disagree on whether it ended",
        machine=WaitsForBarriers,
    ),
    defect("the frame in doubt is not run first", _TWICE, "sink has the items 0, 0, 0", machine=NoDoubt),
    defect("an end mark overtakes items", _GREETS, "books do not balance", heir=EndsAtOnce),
    defect("an end mark is not sent again", _CHAIN, "can't end from here", inlet=EndForgotten),
    defect(
        "a frame is settled after it is acknowledged",
        _SPOOL,
        "leaf counts 1 items of channel 0, and has ()",
        heir=SettlesLast,
    ),
    defect(
        "a frame is acknowledged before its outputs are sent",
        _CHAIN,
        "sink has the items 0, 100",
        heir=AcknowledgesBeforeSending,
    ),
    defect(
        "a frame is acknowledged before its outputs are out",
        _CHAIN,
        "sink has the items 0, 1, 100; it should",
        succession=NotDrained,
    ),
    defect(
        "ranges of an older cause are kept",
        _CHAIN,
        "sink has the items 0, 1, 100; it should",
        inlet=RangesOfOlderCauses,
    ),
    defect("counts are not taken from the entry", _SPOOL, "leaf has counted 0 items read", succession=CountsAnew),
    defect("an entry counts whose frame was not acknowledged", _SPOOL, "and has (0, 0)", succession=AnyEntry),
    defect("the spool is not cut", _SPOOL, "and has (0, 0)", succession=SpoolNotCut),
    defect(
        "acknowledgements that fell into the gap are not repeated",
        _CHAIN,
        "can't end from here",
        neighbour=GapNotRepeated,
    ),
    defect("first credit lost", _CHAIN, "can't end from here", outlet=FirstCreditLost),
    defect("neighbours are replaced in turn", _NEAR, "where 1 was due", vacancies=Careless, judged=False),
    defect("neighbours are replaced in turn, as judged", _NEAR, "may not be", vacancies=Careless),
    defect(
        "a checkpoint between two deaths does not count",
        alone("neighbours", in_turn(1), crashes=2, mortal=("first", "second")),
        "and may be",
        vacancies=Timid,
    ),
)
