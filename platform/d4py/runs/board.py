# SPDX-License-Identifier: Apache-2.0
"""Counters that everyone can watch while a run goes on: a small file, mapped by all its processes.

Per instance: items read, written, in quarantine. Per cell: the item in hand (channel + 1 or 0, number of its frame's first item, index in
the frame, digest where that was asked for), which outlives a death. Behind them the ledgers: words in which cells that can be replaced alone settle what they have done.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from d4py.runs import atomic

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence
    from pathlib import Path

_COUNTS, _NOTE = 3, 4
_WORD = 8


class Board:
    """The counters of a run's instances and cells."""

    def __init__(
        self, path: Path | None, instances: int, cells: int, *, rooms: Sequence[int] = (), create: bool = False
    ) -> None:
        """path: None where no other process looks. rooms: words that each cell has for its ledger; who only watches needs none."""
        size = max(1, instances * _COUNTS + cells * _NOTE + sum(rooms)) * _WORD
        if path is None:
            self._map = mmap.mmap(-1, size)
        else:
            if create:
                # Whole for who looks meanwhile; and who looks at an older one keeps it.
                atomic.write(path, bytes(size), durable=False)
            with open(path, "r+b") as file:
                self._map = mmap.mmap(file.fileno(), size)
        self._words = memoryview(self._map).cast("q")
        self.instances = instances
        self.cells = cells
        self._rooms = rooms

    def publish(self, rank: int, read: int, written: int, quarantined: int) -> None:
        """Show the counts of an instance."""
        at = rank * _COUNTS
        words = self._words
        words[at], words[at + 1], words[at + 2] = read, written, quarantined

    def counts(self, rank: int) -> tuple[int, int, int]:
        """Return what an instance has read, written and put into quarantine."""
        at = rank * _COUNTS
        return self._words[at], self._words[at + 1], self._words[at + 2]

    def note(self, cell: int) -> MutableSequence[int]:
        """Return the four words of a cell's item in hand."""
        at = self.instances * _COUNTS + cell * _NOTE
        return self._words[at : at + _NOTE]  # type: ignore[return-value]

    def ledger(self, cell: int) -> MutableSequence[int]:
        """Return the words in which a cell settles what it has done."""
        at = self.instances * _COUNTS + self.cells * _NOTE + sum(self._rooms[:cell])
        return self._words[at : at + self._rooms[cell]]  # type: ignore[return-value]

    def close(self) -> None:
        """Let go of the memory; views of it handed out keep it."""
        try:
            self._words.release()
            self._map.close()
        except BufferError:
            pass
