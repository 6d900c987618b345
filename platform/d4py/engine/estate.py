# SPDX-License-Identifier: Apache-2.0
"""What a dead stateless cell leaves: how far its neighbours have come with it, from which a successor goes on.

One frame at most is in doubt: the one whose outputs some readers have, and which was not acknowledged. The successor runs it first, and skips
what each reader has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Cause = tuple[int, int]  # channel and number of the frame whose calls wrote something
Ranges = tuple[tuple[int, int], ...]  # of items, counted within their cause and lane: first, one behind the last

BEGIN: Cause = (-1, 0)  # the cause of what preprocess writes
END: Cause = (-2, 0)  # and postprocess


class Supply(NamedTuple):
    """What the writer of a channel says."""

    channel: int
    number: int  # of the first frame that was not acknowledged
    items: int  # before it
    credit: int
    taken: int = 0  # epoch of the last barrier that was acknowledged


class Demand(NamedTuple):
    """What the reader of a channel says."""

    channel: int
    number: int  # of the next frame
    items: int  # that came
    credit: int
    cause: Cause | None  # of the last frame
    ranges: Ranges  # which of the cause's items came
    passed: int  # epoch of the last barrier that came
    ended: bool  # whether the end mark came


@dataclass(frozen=True, slots=True)
class Estate:
    """All of it."""

    supplies: tuple[Supply, ...]
    demands: tuple[Demand, ...]

    @property
    def heads(self) -> dict[int, int]:
        """Return the number of the first frame of each channel that was not acknowledged."""
        return {supply.channel: supply.number for supply in self.supplies}

    @property
    def doubt(self) -> Cause | None:
        """Return the cause that readers may have in part."""
        heads = self.heads
        causes = {demand.cause for demand in self.demands if demand.cause is not None}
        for cause in causes:
            if cause[0] >= 0 and cause[1] >= heads[cause[0]]:
                return cause
        return END if END in causes else BEGIN if BEGIN in causes else None

    @property
    def had(self) -> Mapping[int, Ranges]:
        """Return what of the doubtful cause the readers have, by channel."""
        doubt = self.doubt
        return {demand.channel: demand.ranges for demand in self.demands if demand.cause == doubt}


def joined(ranges: Ranges, first: int, stop: int) -> Ranges:
    """Add a range behind others."""
    if ranges and ranges[-1][1] == first:
        return (*ranges[:-1], (ranges[-1][0], stop))
    return (*ranges, (first, stop))


def within(index: int, ranges: Ranges) -> bool:
    """Whether a number is in one of the ranges."""
    return any(first <= index < stop for first, stop in ranges)


def beyond(index: int, ranges: Ranges) -> bool:
    """Whether one of the ranges goes beyond a number."""
    return bool(ranges) and ranges[-1][1] > index
