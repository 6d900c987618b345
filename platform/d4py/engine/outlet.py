# SPDX-License-Identifier: Apache-2.0
"""The writer's end of a channel, and the lanes in which items wait to be cut into frames."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any

from d4py.items import Frame, Kind
from d4py.items.copying import copied

FRAME_ITEMS = 512
FRAME_BYTES = 256 << 10
WINDOW_BYTES = 8 << 20  # unacknowledged on a channel; few large arrays in flight stay in the cache
FIRST_CREDIT = 2  # until the reader's speed is known: two frames of one item


class Outlet:
    """Numbers the frames of a channel, counts its items, keeps what is unacknowledged within the reader's credit."""

    __slots__ = (
        "acknowledged",
        "channel",
        "count",
        "credit",
        "generation",
        "item_bytes",
        "number",
        "unacked",
        "unacked_bytes",
    )

    def __init__(self, channel: int, generation: int, *, count: int = 0, credit: int = FIRST_CREDIT) -> None:
        self.channel = channel
        self.generation = generation
        self.number = 0
        self.count = count
        self.acknowledged = count  # items
        self.credit = count + credit
        self.unacked: deque[tuple[int, int, int]] = deque()  # (frame number, items, bytes)
        self.unacked_bytes = 0
        self.item_bytes = 1

    @property
    def idle(self) -> bool:
        """Whether the reader has nothing of this channel in hand."""
        return not self.unacked

    def room(self) -> int:
        """Return how many items may be sent now. Two frames are always allowed, however large."""
        room = self.credit - self.count
        if room > 0 and len(self.unacked) >= 2:
            by_bytes = (WINDOW_BYTES - self.unacked_bytes) // self.item_bytes
            return max(0, min(room, by_bytes))
        return max(0, room)

    def frame_limit(self) -> int:
        """Return how many items a frame should have: half of what the reader allows at once, within fixed bounds."""
        window = self.credit - self.acknowledged
        return max(1, min(window // 2, FRAME_ITEMS, FRAME_BYTES // self.item_bytes))

    def cut(self, items: list[Any], cause: tuple[int, int] | None = None) -> Frame:
        """Make the next data frame."""
        frame = Frame(self.generation, self.channel, self.number, self.count, Kind.DATA, items, cause=cause)
        self.unacked.append((self.number, len(items), 0))
        self.number += 1
        self.count += len(items)
        return frame

    def sent(self, size: int, number: int) -> None:
        """Take note of the bytes of a frame that was cut; of several cut at once each has its own."""
        index = number - self.unacked[0][0]
        items = self.unacked[index][1]
        self.unacked[index] = (number, items, size)
        self.unacked_bytes += size
        self.item_bytes = max(1, size // max(1, items))

    def barrier(self, epoch: int) -> Frame:
        """Make a barrier frame; it needs no credit but keeps its place."""
        return self._mark(Kind.BARRIER, epoch)

    def end(self) -> Frame:
        """Make the end mark; it carries the item count."""
        return self._mark(Kind.END, 0)

    def _mark(self, kind: Kind, epoch: int) -> Frame:
        frame = Frame(self.generation, self.channel, self.number, self.count, kind, epoch=epoch)
        self.unacked.append((self.number, 0, 0))
        self.number += 1
        return frame

    def acknowledge(self, number: int, credit: int) -> None:
        """Take back credit: frames up to `number` are done; items up to `credit` may be sent. Both are absolute."""
        while self.unacked and self.unacked[0][0] <= number:
            _, items, size = self.unacked.popleft()
            self.acknowledged += items
            self.unacked_bytes -= size
        self.credit = max(self.credit, credit)


class Choice(Enum):
    """To which of a lane's outlets a frame goes."""

    ONE = "one"  # there is only one
    ANY = "any"  # the one with most room
    EVERY = "every"


class Lane:
    """Items on their way to one outlet, or to a choice of them. `limit` is how many wait before a cut is due."""

    __slots__ = ("buffer", "choice", "copies", "due", "eager", "limit", "outlets")

    def __init__(self, outlets: list[Outlet], choice: Choice) -> None:
        self.outlets = outlets
        self.choice = choice if len(outlets) > 1 else Choice.ONE
        self.buffer: list[Any] = []
        self.limit = 1
        self.copies = False  # readers in this process each need their own
        self.eager = False  # a long call is writing: cut by time, too
        self.due = 0.0

    def cut(self) -> list[Frame]:
        """Cut what waits into frames, as far as credit allows, and set the next limit."""
        frames: list[Frame] = []
        while self.buffer:
            targets = self._targets()
            number = min(len(self.buffer), *[outlet.room() for outlet in targets])
            if number <= 0:
                break
            number = min(number, max(1, min(outlet.frame_limit() for outlet in targets)))
            if number == len(self.buffer):
                items = self.buffer[:]
                self.buffer.clear()  # not a new list: writers hold this one
            else:
                items = self.buffer[:number]
                del self.buffer[:number]
            *others, last = targets
            frames.extend(outlet.cut([copied(item) for item in items] if self.copies else items) for outlet in others)
            frames.append(last.cut(items))
        self.refresh()
        return frames

    def refresh(self) -> None:
        """Set the limit anew: at once where a reader is idle or a long call is writing, else by the size that frames should have."""
        self.limit = 1 if self.eager or self.idle else self.frame_limit()

    @property
    def idle(self) -> bool:
        """Whether a reader waits for this lane."""
        return any(outlet.idle for outlet in self.outlets) if self.choice is Choice.ANY else self.outlets[0].idle

    def frame_limit(self) -> int:
        """Return how many items a frame of this lane should have."""
        if self.choice is Choice.ONE:
            return self.outlets[0].frame_limit()
        return (max if self.choice is Choice.ANY else min)(outlet.frame_limit() for outlet in self.outlets)

    def _targets(self) -> list[Outlet]:
        if self.choice is Choice.ANY:
            return [max(self.outlets, key=lambda outlet: (outlet.idle, outlet.room()))]
        return self.outlets
