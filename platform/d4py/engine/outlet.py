# SPDX-License-Identifier: Apache-2.0
"""The writer's end of a channel, and the lanes in which items wait to be cut into frames."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from d4py.engine.estate import Supply, beyond, within
from d4py.items import Frame, Kind
from d4py.items.arrays import LARGE
from d4py.items.copying import copied

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from d4py.engine.estate import Cause, Demand, Ranges
    from d4py.plan.plan import Instance

FRAME_ITEMS = 512
FRAME_BYTES = 256 << 10
LARGE_FRAME_BYTES = (
    2560 << 10
)  # of large items, which lie in shared memory: to send a frame costs as much as to fill an array of a megabyte
WINDOW_BYTES = 5 << 20  # unacknowledged on a channel; few large arrays in flight stay in the cache
FIRST_CREDIT = 2  # until the reader's speed is known: two frames of one item


def most_of(size: int) -> int:
    """Return how many items of so many bytes a frame may have."""
    return max(1, min(FRAME_ITEMS, (LARGE_FRAME_BYTES if size >= LARGE else FRAME_BYTES) // max(1, size)))


class Outlet:
    """Numbers the frames of a channel, counts its items, keeps what is unacknowledged within the reader's credit."""

    __slots__ = (
        "acknowledged",
        "barriers",
        "channel",
        "count",
        "credit",
        "ended",
        "generation",
        "item_bytes",
        "most",
        "number",
        "passed",
        "taken",
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
        self.most = FRAME_ITEMS
        self.barriers: deque[tuple[int, int]] = deque()  # unacknowledged: (frame number, epoch)
        self.taken = 0  # epoch of the last barrier that was acknowledged
        self.passed = 0  # epoch of the last barrier that the reader has of a predecessor
        self.ended = False  # the reader has the end mark of a predecessor

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
        half = (self.credit - self.acknowledged) // 2
        if half < self.most:
            return half or 1
        return self.most

    def supply(self) -> Supply:
        """Say how far this writer has come."""
        number = self.unacked[0][0] if self.unacked else self.number
        return Supply(self.channel, number, self.acknowledged, self.credit, self.taken)

    def inherit(self, demand: Demand) -> None:
        """Go on where a writer that died had come to."""
        self.number, self.count, self.acknowledged = demand.number, demand.items, demand.items
        self.credit = max(self.credit, demand.credit)  # what the first frames may have, nobody granted
        self.passed, self.ended = demand.passed, demand.ended

    def cut(self, items: list[Any], cause: tuple[int, int, int] | None = None) -> Frame:
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
        self.most = most_of(self.item_bytes)

    def barrier(self, epoch: int) -> Frame:
        """Make a barrier frame; it needs no credit but keeps its place."""
        self.barriers.append((self.number, epoch))
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
        while self.barriers and self.barriers[0][0] <= number:
            self.taken = self.barriers.popleft()[1]
        self.credit = max(self.credit, credit)


class Choice(Enum):
    """To which of a lane's outlets a frame goes."""

    ONE = "one"  # there is only one
    ANY = "any"  # the one with most room
    EVERY = "every"


class Lane:
    """Items on their way to one outlet, or to a choice of them. `limit` is how many wait before a cut may be due."""

    __slots__ = (
        "_at",
        "_cause",
        "_doubt",
        "_had",
        "_index",
        "buffer",
        "choice",
        "copies",
        "due",
        "limit",
        "most",
        "near",
        "outlets",
        "output",
        "writer",
    )

    def __init__(
        self,
        outlets: list[Outlet],
        choice: Choice,
        *,
        writer: Instance | None = None,
        output: str = "",
        near: Collection[int] = (),
    ) -> None:
        """writer, output: who fills it, for messages. near: channels whose readers run only while this cell does not."""
        self.outlets = outlets
        self._at = 0  # of a choice, the outlet that the last frame went to
        self.most = FRAME_ITEMS
        self.choice = choice if len(outlets) > 1 else Choice.ONE
        self.writer = writer
        self.output = output
        self.buffer: list[Any] = []
        self.limit = 1
        self.copies = False  # readers in this process each need their own
        self.due = 0.0  # when the next value may go alone
        self.near = frozenset(near)
        self._cause: Cause | None = None  # of what is written now, where the writer may be replaced
        self._index = 0  # of the next item that is cut, within its cause
        self._doubt: tuple[Cause, Mapping[int, Ranges]] | None = None  # what a predecessor may have sent of one cause
        self._had: Mapping[int, Ranges] | None = None  # what the readers have of this cause, by channel

    def begin(self, cause: Cause) -> None:
        """What is written from here on has another cause. All that was written before is cut."""
        self._cause, self._index, self._had = cause, 0, None
        if self._doubt is not None and self._doubt[0] == cause:
            self._had, self._doubt = self._doubt[1], None

    def inherit(self, cause: Cause, had: Mapping[int, Ranges]) -> None:
        """Skip what readers have of a cause, when it comes."""
        self._doubt = (cause, had)

    def cut(self) -> list[Frame]:
        """Cut what waits into frames, as far as credit allows, and set the next limit."""
        frames: list[Frame] = []
        while self.buffer:
            if self._had is not None:
                if not self._again(frames, self._had):
                    break
                continue
            if self.choice is Choice.EVERY:
                if not self._cut_for_every(frames):
                    break
                continue
            outlet = self._chosen()
            number = min(len(self.buffer), outlet.frame_limit())
            # Less room than that: a shorter frame would come back as as little credit, and no frame would ever be long again.
            if outlet.room() < number:
                break
            frames.append(outlet.cut(self._out(number), self._next(number)))
        self.refresh()
        return frames

    def _cut_for_every(self, frames: list[Frame]) -> bool:
        """Cut a frame for each reader; return whether all had room."""
        number = min(len(self.buffer), self.frame_limit())
        if any(outlet.room() < number for outlet in self.outlets):
            return False
        items, cause = self._out(number), self._next(number)
        *others, last = self.outlets
        frames.extend(
            outlet.cut([copied(item) for item in items] if self.copies else items, cause) for outlet in others
        )
        frames.append(last.cut(items, cause))
        return True

    def _out(self, number: int) -> list[Any]:
        """Take the first items out of the buffer: no new one is made, for writers hold it, and may append meanwhile."""
        items = self.buffer[:number]
        del self.buffer[:number]
        return items

    def _next(self, number: int) -> tuple[int, int, int] | None:
        """Count items that are cut; return the cause of their frame."""
        if self._cause is None:
            return None
        self._index += number
        return (*self._cause, self._index - number)

    def _again(self, frames: list[Frame], had: Mapping[int, Ranges]) -> bool:
        """Cut one item for those readers that lack it; return whether there was room."""
        holders = [outlet for outlet in self.outlets if within(self._index, had.get(outlet.channel, ()))]
        if self.choice is Choice.EVERY:
            targets = [outlet for outlet in self.outlets if outlet not in holders]
        elif holders:
            targets = []
        else:  # whoever has later ones would get this one out of order; the reader that it was meant for has none
            behind = [outlet for outlet in self.outlets if not beyond(self._index, had.get(outlet.channel, ()))]
            targets = [max(behind, key=self._invitation)]
        if any(outlet.room() <= 0 for outlet in targets):
            return False
        item = self.buffer[0]
        del self.buffer[0]
        cause = self._next(1)
        frames.extend(outlet.cut([copied(item) if self.copies else item], cause) for outlet in targets)
        return True

    def refresh(self) -> None:
        """Set the limit anew: one where a reader waits, else the size that frames should have."""
        self.limit = 1 if self.hungry else self.frame_limit()

    def weigh(self, size: int) -> None:
        """Take note of the bytes of the newest item: a frame grows no longer than such items allow."""
        self.most = most_of(size)

    @property
    def idle(self) -> bool:
        """Whether a reader has nothing in hand."""
        return any(outlet.idle for outlet in self.outlets) if self.choice is Choice.ANY else self.outlets[0].idle

    @property
    def busy(self) -> bool:
        """Whether each reader that a frame could go to has two in hand already, as far as it is known here."""
        first, *others = self.outlets
        return len(first.unacked) >= 2 and all(len(outlet.unacked) >= 2 for outlet in others)

    @property
    def hungry(self) -> bool:
        """Whether a reader that could run at once has nothing in hand."""
        if not self.near:
            return self.idle
        return any(
            outlet.idle and outlet.channel not in self.near
            for outlet in (self.outlets if self.choice is Choice.ANY else self.outlets[:1])
        )

    def frame_limit(self) -> int:
        """Return how many items a frame of this lane should have; of a choice, as the last one chosen."""
        if self.choice is Choice.EVERY:
            return min(self.most, *[outlet.frame_limit() for outlet in self.outlets])
        return min(self.most, self.outlets[self._at].frame_limit())

    def _chosen(self) -> Outlet:
        if self.choice is Choice.ANY:
            self._at = self.outlets.index(max(self.outlets, key=self._invitation))
        return self.outlets[self._at]

    def _invitation(self, outlet: Outlet) -> tuple[bool, bool, bool, int]:
        """Return how welcome a frame is. Of two that are idle, one that can begin at once comes before one that waits for this cell's turn to end."""
        room = outlet.room()
        idle = not outlet.unacked
        return idle, idle and outlet.channel not in self.near, room >= outlet.frame_limit(), room
