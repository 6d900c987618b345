# SPDX-License-Identifier: Apache-2.0
"""Defects of sinks that commit, to be caught: what they hold back is lost, or appears before a checkpoint covers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from defect import defect
from rules import Part
from shell import Op, Shell
from systems import made, pair

from d4py.engine.circuit import Circuit
from d4py.engine.coordinator import Commit, Coordinator, Instruction, MakeCommit
from d4py.engine.sinks import Sinks


class LastNotAbove(Coordinator):
    """The last commit takes the number of a barrier that some cells have passed."""

    def _complete(self) -> Iterator[Instruction]:
        for instruction in super()._complete():
            if isinstance(instruction, MakeCommit) and instruction.commit.final:
                self.committing = Commit(self.generation, self.newest - 1, instruction.commit.parts, final=True)
                yield MakeCommit(self.committing)
            else:
                yield instruction


class ReleasesAtOnce(Sinks):
    """What is prepared is let go without waiting for its commit."""

    def prepare(self, epoch: int) -> None:
        super().prepare(epoch)
        self.committed = epoch or self._passed + 1


class EndsWithin(Sinks):
    """The end shares its number with the last barrier."""

    def prepare(self, epoch: int) -> None:
        super().prepare(epoch or self._passed)


class CountsAnew(Sinks):
    """A sink that goes on from a commit numbers its end as if there had been none."""

    def __init__(self, circuit: Circuit, guard: Callable[[int, str, Callable[[], Any]], None], epoch: int) -> None:
        super().__init__(circuit, guard, 0)


class NotKept(Shell):
    """What a sink holds back is in no part."""

    def part(self, epoch: int) -> Part:
        return replace(super().part(epoch), held=())


class NotKeptAtTheEnd(Shell):
    """What a sink holds back when it has ended is in no part."""

    def part(self, epoch: int) -> Part:
        part = super().part(epoch)
        return replace(part, held=()) if part.final else part


class TellsFirst(Shell):
    """The supervisor hears that all is let go before it is."""

    def release(self) -> tuple[Op, ...]:
        *appear, told = super().release()
        return (told, *appear)


_ONE = made("a sink that commits", pair(1, 0), zombies=False)
_LATE = made("a source ends by itself", pair(1, 0), crashes=0)

SINK_DEFECTS = (
    defect("the last commit not above every barrier", _LATE, "are not there", coordinator=LastNotAbove),
    defect("sinks hear of a commit before it is durable", _LATE, "covers nothing of it", sinks_wait=False),
    defect("a sink lets go what no commit covers", _LATE, "covers nothing of it", sinks=ReleasesAtOnce),
    defect("the end of a sink belongs to its last barrier", _LATE, "lets item 0 appear", sinks=EndsWithin),
    defect("a sink goes on with its numbers from the start", _ONE, "lets item 0 appear", sinks=CountsAnew),
    defect("a sink forgets what it held on a rewind", _ONE, "are not there", shell=NotKept),
    defect("a sink that has ended forgets what it held", _ONE, "are not there", shell=NotKeptAtTheEnd),
    defect("sinks hear nothing of the commit that a generation begins from", _ONE, "can't end", tells_again=False),
    defect("the run ends before its sinks have let go", _ONE, "are not there", shell=TellsFirst),
    defect("what sinks let go before counts for the last commit", _LATE, "are not there", last_counts=False),
)
