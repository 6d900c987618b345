# SPDX-License-Identifier: Apache-2.0
"""What a cell that can be replaced alone has around it: its ledger and its spool, which outlive it, its counts and what waits to be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keys import Key
from rules import Violation

from d4py.engine.count import Tally
from d4py.engine.outlet import Lane
from d4py.engine.settlement import Settlement
from d4py.engine.succession import Succession

Record = tuple[int, int]  # channel and value
_WORDS = 2 * (8 + 2)


class Shelf:
    """A spool: what was appended, and how much of that is out of the process."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = list(records)
        self.flushed = len(self.records)

    @property
    def length(self) -> tuple[int, int]:
        """Return bytes and records that are there."""
        return len(self.records), len(self.records)

    def cut(self, size: int, records: int) -> None:
        """Go on behind what a predecessor had settled."""
        if records > len(self.records):
            raise Violation(f"A spool has {len(self.records)} records of {records} that were settled.")
        del self.records[records:]
        self.flushed = records

    def by_channel(self) -> dict[int, tuple[int, ...]]:
        """Return the values by channel."""
        found: dict[int, tuple[int, ...]] = {}
        for channel, value in self.records:
            found[channel] = (*found.get(channel, ()), value)
        return found


class Room:
    """Stands for circuit, cutter, link and deposits, as far as a succession asks them."""

    def __init__(self, lanes: list[Lane], words: Sequence[int] | None, records: Sequence[Record]) -> None:
        self.lanes = lanes
        self.ledger = list(words or [0] * _WORDS)
        self.outputs, self.quarantine = Shelf(records), Shelf()
        self.read, self.written = Tally(), Tally()
        self.waiting: dict[int, int] = {}  # frames that may not be out of the process yet, by channel

    @property
    def counts(self) -> dict[int, Room]:
        """The counts of the one instance."""
        return {0: self}

    @property
    def counted(self) -> tuple[int, int]:
        """Items read and written."""
        return self.read.n, self.written.n

    def tallies(self) -> list[Tally]:
        """Return all counts."""
        return [self.read, self.written]

    def restore(self, counts: tuple[int, ...]) -> None:
        """Take the counts of a part."""
        self.read.n, self.written.n = counts

    def drain(self) -> None:
        """All that was sent is out of the process."""
        self.waiting = {}

    def flush(self) -> None:
        """And all that was spooled."""
        self.outputs.flushed = len(self.outputs.records)

    def key(self) -> Key:
        """Return the key of this state."""
        kept = (tuple(self.outputs.records), self.outputs.flushed)
        return (tuple(self.ledger), kept, self.counted, tuple(sorted(self.waiting.items())))

    def clone(self, lanes: list[Lane], generation: int, succession: Succession) -> tuple[Room, Succession]:
        """Return a copy, and one of the succession that works with it."""
        twin: Any = Room(lanes, self.ledger, self.outputs.records)
        twin.outputs.flushed = self.outputs.flushed
        twin.restore(self.counted)
        twin.waiting = dict(self.waiting)
        other = object.__new__(type(succession))
        other.__dict__.update(succession.__dict__)
        settlement = Settlement(twin.ledger, generation, [twin], (twin.outputs, twin.quarantine))
        other.__dict__.update(_lanes=lanes, _cutter=twin, _link=twin, _deposits=twin, _settlement=settlement)
        return twin, other
