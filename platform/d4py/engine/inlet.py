# SPDX-License-Identifier: Apache-2.0
"""The reader's end of a channel."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from d4py.engine.estate import Demand, joined
from d4py.items import Kind

if TYPE_CHECKING:
    from d4py.engine.estate import Cause, Ranges, Supply
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

    __slots__ = (
        "aligned",
        "arrived",
        "cause",
        "channel",
        "closed",
        "count",
        "ended",
        "expected",
        "generation",
        "granted",
        "passed",
        "ranges",
        "window",
    )

    def __init__(
        self, channel: int, generation: int, *, count: int = 0, ended: bool = False, window: int = WINDOW_ITEMS
    ) -> None:
        self.channel = channel
        self.generation = generation
        self.expected = 0
        self.count = count  # items that are done
        self.arrived = count  # items that came
        self.granted = count
        self.window = window
        self.aligned = False
        self.ended = ended
        self.closed = ended  # the end mark came, perhaps behind other frames
        self.passed = 0  # epoch of the last barrier that came
        self.cause: Cause | None = None  # of the last frame, where its writer may be replaced
        self.ranges: Ranges = ()  # which of that cause's items came

    def judge(self, frame: Frame) -> Arrival:
        """Say whether a frame is the next; the expectation moves on if it is."""
        if frame.generation < self.generation or frame.number < self.expected:
            return Arrival.SEEN
        if frame.number > self.expected:
            return Arrival.GAP
        self.expected += 1
        self._remember(frame)
        return Arrival.NEXT

    def demand(self) -> Demand:
        """Say how far this reader has come."""
        return Demand(
            self.channel, self.expected, self.arrived, self.granted, self.cause, self.ranges, self.passed, self.closed
        )

    def inherit(self, supply: Supply) -> None:
        """Go on where a reader that died had come to."""
        self.expected, self.count, self.arrived, self.granted = supply.number, supply.items, supply.items, supply.credit

    def _remember(self, frame: Frame) -> None:
        if frame.kind is Kind.BARRIER:
            self.passed = frame.epoch
        elif frame.kind is Kind.END:
            self.closed = True
        else:
            self.arrived = frame.first + len(frame.items)
            if frame.cause is not None:
                *cause, first = frame.cause
                if tuple(cause) != self.cause:
                    self.cause, self.ranges = (cause[0], cause[1]), ()
                self.ranges = joined(self.ranges, first, first + len(frame.items))

    def grant(self, work: float) -> int:
        """Return up to which item the writer may send. work: seconds per item. What was granted is never taken back."""
        wanted = int(2 * FRAME_SECONDS / work) if work > 0 else self.window
        self.granted = max(self.granted, self.count + max(2 if self.window > 1 else 1, min(wanted, self.window)))
        return self.granted
