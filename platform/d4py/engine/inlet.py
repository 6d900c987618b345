# SPDX-License-Identifier: Apache-2.0
"""The reader's end of a channel."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d4py.items import Frame

WINDOW_ITEMS = 1024
FRAME_SECONDS = 0.005  # of the reader's work that a frame should hold


class Arrival(Enum):
    """What a frame is to its reader."""

    NEXT = "next"
    SEEN = "seen"  # an older generation's, or a number that came before
    GAP = "gap"  # one before it is missing


class Inlet:
    """Expects frame numbers in turn, counts items, gives credit by the measured work per item."""

    __slots__ = ("aligned", "channel", "count", "ended", "expected", "generation", "granted", "window")

    def __init__(
        self, channel: int, generation: int, *, count: int = 0, ended: bool = False, window: int = WINDOW_ITEMS
    ) -> None:
        self.channel = channel
        self.generation = generation
        self.expected = 0
        self.count = count
        self.granted = count
        self.window = window
        self.aligned = False
        self.ended = ended

    def judge(self, frame: Frame) -> Arrival:
        """Say whether a frame is the next; the expectation moves on if it is."""
        if frame.generation < self.generation or frame.number < self.expected:
            return Arrival.SEEN
        if frame.number > self.expected:
            return Arrival.GAP
        self.expected += 1
        return Arrival.NEXT

    def grant(self, work: float) -> int:
        """Return up to which item the writer may send. work: seconds per item. What was granted is never taken back."""
        wanted = int(2 * FRAME_SECONDS / work) if work > 0 else self.window
        self.granted = max(self.granted, self.count + max(2 if self.window > 1 else 1, min(wanted, self.window)))
        return self.granted
