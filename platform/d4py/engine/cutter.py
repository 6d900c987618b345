# SPDX-License-Identifier: Apache-2.0
"""When what a cell has written leaves it: items wait in lanes, and are cut into frames by traffic and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.engine.failure import describe
from d4py.errors import NotPicklable
from d4py.items.copying import FLAT, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d4py.engine.failure import Failure
    from d4py.engine.link import Link
    from d4py.engine.outlet import Lane, Outlet

FOREVER = -1.0
_HOLD = 0.001  # seconds that a value may wait for others to travel with, where others came lately
_PAUSE = 0.0002  # seconds between two short frames of a cell
_EACH = 0.0008  # seconds a short frame, in the long run: with many lanes they must not be most of its work
_SPARE = 16  # short frames that may come sooner than that
_NEWS = 0.005  # seconds after which a long call that writes takes in what came over the link
_LOOK = 32  # items after which a lane looks again at how large they are


class Cutter:
    """Cuts the lanes of one cell."""

    def __init__(
        self,
        outlets: Mapping[int, Outlet],
        link: Link,
        serve: Callable[[float], None],
        fail: Callable[[Failure], None],
    ) -> None:
        """serve: takes in what came over the link, waiting up to so many seconds. fail: ends the run; never returns."""
        self.lanes: list[Lane] = []
        self._outlets = outlets
        self._link = link
        self._serve = serve
        self._fail = fail
        self.blocked = 0.0  # seconds that writes have waited for readers
        self.sending = 0.0  # seconds that it took to cut and to send
        self._eager = False
        self._due = 0.0  # when the next short frame may be cut
        self._last, self._spare = (
            0.0,
            float(_SPARE),
        )  # when short frames were counted last, and how many more may come at once
        self._news = 0.0
        self._lane_of: dict[int, Lane] = {}

    def take(self, lanes: list[Lane]) -> None:
        """Take over the lanes that a circuit has."""
        self.lanes = lanes
        self._lane_of = {outlet.channel: lane for lane in lanes for outlet in lane.outlets}
        for lane in lanes:
            lane.refresh()

    def full(self, lane: Lane) -> None:
        """Cut a lane whose limit is reached, if it is time; wait for credit while it stays full."""
        waiting = len(lane.buffer)
        if not waiting:  # sent by another thread, just now
            return
        value = lane.buffer[-1]
        if type(value) not in FLAT:
            lane.weigh(sized(value))
        if waiting < lane.frame_limit():
            if not self._eager and not lane.hungry:
                lane.refresh()
                if type(value) not in FLAT:
                    lane.limit = min(lane.limit, waiting + _LOOK)
                return
            now = self._link.clock()
            if now < lane.due or now < self._due:
                # A burst: look at the clock again when there are twice as many.
                lane.limit = min(2 * waiting, lane.frame_limit())
                return
            # A value that came alone, and for which the reader has time, need not wait for others: the next one may go soon as well.
            light = waiting == 1 and not lane.busy
            lane.due = now + (_PAUSE if light else _HOLD)
            self._short(now, 1)
            self.cut(lane)
            # After the cut: no news is a reason to keep the value here.
            if self._eager and (lane.busy or now >= self._news):
                self._news = now + _NEWS
                self._await(0)
            if not lane.buffer:
                return
        self.cut(lane)
        while len(lane.buffer) >= max(lane.limit, lane.frame_limit()):
            self._await(FOREVER)
            self.cut(lane)

    def own_time(self) -> float:
        """Return a clock that stands still while a write waits: what is measured with it is the writer's own work."""
        return self._link.clock() - self.blocked

    def users_time(self) -> float:
        """Return a clock that stands still while a write waits or is sent: what is measured with it is the PEs' work."""
        return self._link.clock() - self.blocked - self.sending

    def _await(self, wait: float) -> None:
        began = self._link.clock()
        self._serve(wait)
        self.blocked += self._link.clock() - began

    def cut(self, lane: Lane) -> None:
        """Send what waits in a lane, as far as credit allows."""
        began = self._link.clock()
        for frame in lane.cut():
            try:
                size = self._link.send(frame)
            except NotPicklable as error:
                assert lane.writer is not None
                during = f"what it wrote on {lane.output!r}"
                self._fail(describe(error, pe=lane.writer.pe, instance=lane.writer.label, during=during))
            self._outlets[frame.channel].sent(size, frame.number)
        self.sending += self._link.clock() - began
        if self._eager:
            lane.limit = 1

    def acknowledged(self, channels: set[int]) -> None:
        """Look at the lanes of these channels again: there may be room."""
        for channel in channels:
            self._lane_of[channel].refresh()
            if self._eager:
                self._lane_of[channel].limit = 1

    def cut_idle(self) -> None:
        """Cut what a reader waits for, and what is long enough; in a burst, not with every call."""
        now = self._link.clock()
        early = now < self._due
        short = 0
        for lane in self.lanes:
            # A lane with a reader near is cut even then: the turn may pass to that one, for long, and the others would be left hungry.
            if early and not (lane.near and lane.hungry):
                continue
            if lane.buffer and (lane.idle or len(lane.buffer) >= lane.frame_limit()):
                short += len(lane.buffer) < lane.frame_limit()
                self.cut(lane)
        if not early:
            self._short(now, short)

    def _short(self, now: float, frames: int) -> None:
        """Pause after short frames: the longer, the more there were lately."""
        self._spare = min(_SPARE, self._spare + (now - self._last) / _EACH) - frames
        self._last = now
        self._due = now + _PAUSE + max(0.0, -self._spare) * _EACH

    def cut_all(self) -> None:
        """Cut everything, as far as credit allows."""
        for lane in self.lanes:
            if lane.buffer:
                self.cut(lane)

    def flush(self) -> None:
        """Cut everything, waiting for credit."""
        for lane in self.lanes:
            while lane.buffer:
                self.cut(lane)
                if lane.buffer:
                    self._serve(FOREVER)

    def eager(self, on: bool) -> None:
        """Tell whether a long call is being made: then the clock is looked at with every write."""
        self._eager = on
        if on:
            for lane in self.lanes:
                lane.limit = 1
