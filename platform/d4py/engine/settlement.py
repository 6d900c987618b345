# SPDX-License-Identifier: Apache-2.0
"""Where a cell that can be replaced alone enters its counts before each acknowledgement: outside its process, so that they outlive it.

There are two slots, written in turn. An entry counts if the frame it names was acknowledged; of two that do, the later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableSequence, Sequence

    from d4py.engine.count import Count
    from d4py.graph.pe import GenericPE
    from d4py.plan.plan import Plan

_HEAD = 8  # turn (0: does not count), generation, channel, number, bytes and records of the two spools

BEFORE = (-1, 0)  # nothing is done; preprocess is to be run and what it writes is sent
FIRST_ENTRIES = 3  # at most, before a cell has done anything
READY = (-1, 1)  # preprocess has run and what it wrote is sent


class Kept(Protocol):
    """A spool, as far as it is settled."""

    @property
    def length(self) -> tuple[int, int]:
        """Return bytes and records that are there."""

    def cut(self, size: int, records: int) -> None:
        """Go on behind what a predecessor in the same generation had settled."""


class Settled(NamedTuple):
    """An entry."""

    turn: int
    place: tuple[int, int]  # channel and number of the frame that was done, or BEFORE, or READY
    lengths: tuple[int, int, int, int]
    counts: tuple[int, ...]


def room(pes: Iterable[GenericPE]) -> int:
    """Return how many words a cell with these PEs needs."""
    ports = sum(2 * len(pe.inputconnections) + len(pe.outputconnections) + 1 for pe in pes)
    return 2 * (_HEAD + ports)


def turn(words: Sequence[int]) -> int:
    """Return how many entries were made."""
    return max(words[0], words[len(words) // 2])


def rooms(plan: Plan, pes: Mapping[str, GenericPE]) -> list[int]:
    """Return how many words each cell of a plan needs. pes: by id."""
    return [room(pes[plan.instances[rank].pe] for rank in cell.instances) for cell in plan.cells]


class Settlement:
    """The entries of one cell."""

    def __init__(
        self, words: MutableSequence[int], generation: int, counts: Sequence[Count], spools: Sequence[Kept]
    ) -> None:
        self._words = words
        self._generation = generation
        self._tallies = [tally for count in counts for tally in count.tallies()]
        self._spools = spools
        self._width = len(words) // 2
        self._turn = max(words[0], words[self._width])

    def enter(self, place: tuple[int, int]) -> None:
        """Enter what is counted and kept so far, under the frame that is about to be acknowledged. The spools are flushed."""
        words = self._words
        at = self._width * (self._turn % 2)
        words[at] = 0
        words[at + 1] = self._generation
        words[at + 2], words[at + 3] = place
        words[at + 4], words[at + 5] = self._spools[0].length
        words[at + 6], words[at + 7] = self._spools[1].length
        for index, tally in enumerate(self._tallies, at + _HEAD):
            words[index] = tally.n
        self._turn += 1
        words[at] = self._turn

    def found(self, heads: Mapping[int, int]) -> Settled | None:
        """Return the last entry that counts. heads: by channel, the first frame that was not acknowledged."""
        best: tuple[int, int] = (0, 0)
        for at in (0, self._width):
            turn, generation, channel, number = self._words[at : at + 4]
            if turn and generation == self._generation and (channel < 0 or number < heads[channel]):
                best = max(best, (turn, at))
        turn, at = best
        if not turn:
            return None
        entry = tuple(self._words[at : at + self._width])
        return Settled(turn, (entry[2], entry[3]), (entry[4], entry[5], entry[6], entry[7]), entry[_HEAD:])

    def take(self, settled: Settled) -> None:
        """Go on from an entry; it is entered anew, so that it counts whatever becomes of the frames after it."""
        size, records, set_aside, set_aside_records = settled.lengths
        self._spools[0].cut(size, records)
        self._spools[1].cut(set_aside, set_aside_records)
        for tally, number in zip(self._tallies, settled.counts, strict=True):
            tally.n = number
        if settled.turn != self._turn:
            self._turn += 1  # over the entry that does not count, not over this one
        self.enter(READY if settled.place[0] >= 0 else settled.place)
