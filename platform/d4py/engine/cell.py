# SPDX-License-Identifier: Apache-2.0
"""The state machine of one cell in one generation: which frame is run next, when a barrier is taken, when the end has come.

It decides; it does not run PEs, keep time or send. A rewind makes new machines from the parts of a commit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from d4py.engine.estate import Estate
from d4py.engine.failure import Unwind
from d4py.engine.inlet import WINDOW_ITEMS, Arrival, Inlet
from d4py.engine.outlet import FIRST_CREDIT, Outlet
from d4py.items import Frame, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from d4py.engine.estate import Cause


@dataclass(slots=True)
class Counters:
    """The channel counters of a cell at one point: what goes into its part."""

    read: dict[int, int] = field(default_factory=dict)  # items per channel that it reads
    written: dict[int, int] = field(default_factory=dict)
    ended: tuple[int, ...] = ()  # channels that an end mark aligned
    finished: bool = False


class Act(Enum):
    """What a cell is to do next."""

    RUN = "run"  # a data frame
    CALL = "call"  # its source
    BARRIER = "barrier"  # hand over a part
    FINISH = "finish"  # postprocess, end marks, final part
    WAIT = "wait"
    REST = "rest"  # it has ended, and keeps its frames until the run's end


class Step(NamedTuple):
    """An act with what it is about."""

    act: Act
    frame: Frame | None = None
    epoch: int = 0


class MissingFrame(Unwind):
    """A channel's numbers have a gap, or a mark another count than came: the run must rewind. It passes through a user's code."""


class CellMachine:
    """Decides what one cell does, frame by frame."""

    __slots__ = (
        "asked",
        "calling",
        "doubt",
        "epoch",
        "finished",
        "generation",
        "held",
        "inlets",
        "outlets",
        "queue",
        "taken",
        "unacked_marks",
    )

    def __init__(
        self,
        inlets: Sequence[int],
        outlets: Sequence[int],
        *,
        generation: int = 1,
        calling: bool = False,
        start: Counters | None = None,
        window: int = WINDOW_ITEMS,
        credit: int = FIRST_CREDIT,
    ) -> None:
        start = start or Counters()
        self.generation = generation
        self.inlets = {
            channel: Inlet(
                channel, generation, count=start.read.get(channel, 0), ended=channel in start.ended, window=window
            )
            for channel in inlets
        }
        self.outlets = {
            channel: Outlet(channel, generation, count=start.written.get(channel, 0), credit=credit)
            for channel in outlets
        }
        self.queue: deque[Frame] = deque()
        self.held: list[Frame] = []  # behind a barrier
        self.epoch = 0  # of the barrier being aligned
        self.asked = 0  # epoch the coordinator asked a source for
        self.calling = calling  # there are calls of a source left
        self.finished = start.finished
        self.unacked_marks: list[Frame] = []
        self.doubt: Cause | None = None  # the frame that a predecessor was at; it is run before any other
        self.taken = 0  # epoch whose barriers a predecessor had begun to acknowledge: all else of it is done

    def inherit(self, estate: Estate) -> None:
        """Go on where a cell that died had come to."""
        for supply in estate.supplies:
            self.inlets[supply.channel].inherit(supply)
        for demand in estate.demands:
            self.outlets[demand.channel].inherit(demand)
        self.taken = max((supply.taken for supply in estate.supplies), default=0)
        doubt = estate.doubt
        self.doubt = doubt if doubt is not None and doubt[0] >= 0 else None

    def standing(self, channels: Collection[int]) -> Estate:
        """Say how far this cell has come on channels whose other end died."""
        return Estate(
            tuple([outlet.supply() for outlet in self.outlets.values() if outlet.channel in channels]),
            tuple([inlet.demand() for inlet in self.inlets.values() if inlet.channel in channels]),
        )

    def arrive(self, frame: Frame) -> None:
        """Take a frame in; what is old is dropped. Raises MissingFrame at a gap."""
        inlet = self.inlets[frame.channel]
        arrival = inlet.judge(frame)
        if arrival is Arrival.GAP:
            raise MissingFrame(f"Channel {frame.channel}: frame {frame.number} came where {inlet.expected} was due.")
        if arrival is Arrival.NEXT and not self.finished:
            self.queue.append(frame)

    def decide(self) -> Step:
        """Return what to do now."""
        if self.finished:
            return Step(Act.REST)
        if self.calling:
            if self.asked and not self.inlets:
                return self._barrier(self.asked)
            return Step(Act.CALL)
        if self.doubt is not None and not self._doubtful_first(self.doubt):
            return Step(Act.WAIT)
        while self.queue:
            frame = self.queue.popleft()
            inlet = self.inlets[frame.channel]
            if inlet.aligned:
                self.held.append(frame)
            elif frame.kind is Kind.DATA:
                return Step(Act.RUN, frame)
            else:
                step = self._mark(frame, inlet)
                if step is not None:
                    return step
        if all(inlet.ended for inlet in self.inlets.values()):
            return Step(Act.FINISH)
        return Step(Act.WAIT)

    def done(self, frame: Frame) -> Inlet:
        """Count a data frame whose last call has returned and whose outputs are sent; its inlet can grant credit."""
        inlet = self.inlets[frame.channel]
        inlet.count += len(frame.items)
        return inlet

    def barrier_taken(self) -> list[Frame]:
        """Let what waited behind the barrier go on; return the barrier frames to acknowledge."""
        self.epoch = 0
        self.asked = 0
        for inlet in self.inlets.values():
            inlet.aligned = False
        self.queue.extendleft(reversed(self.held))
        self.held = []
        marks, self.unacked_marks = (
            self.unacked_marks,
            [frame for frame in self.unacked_marks if frame.kind is Kind.END],
        )
        return [frame for frame in marks if frame.kind is Kind.BARRIER]

    def finish(self) -> list[Frame]:
        """End this cell; return the end marks to acknowledge once the final part is handed over."""
        self.finished = True
        marks, self.unacked_marks = self.unacked_marks, []
        return marks

    def counters(self) -> Counters:
        """Return the counters for a part, taken at a barrier or at the end."""
        return Counters(
            read={channel: inlet.count for channel, inlet in self.inlets.items()},
            written={channel: outlet.count for channel, outlet in self.outlets.items()},
            ended=tuple(channel for channel, inlet in self.inlets.items() if inlet.ended),
            finished=self.finished,
        )

    def barriers(self, epoch: int) -> list[Frame]:
        """Return the barriers to be sent: to all readers that have it not from a predecessor."""
        return [outlet.barrier(epoch) for outlet in self.outlets.values() if outlet.passed < epoch]

    def ends(self) -> list[Frame]:
        """Return the end marks to be sent."""
        return [outlet.end() for outlet in self.outlets.values() if not outlet.ended]

    def _doubtful_first(self, doubt: Cause) -> bool:
        """Bring the frame in doubt to the head of the queue; return whether it has come."""
        for index, frame in enumerate(self.queue):
            if (frame.channel, frame.number) == doubt:
                del self.queue[index]
                self.queue.appendleft(frame)
                self.doubt = None
                return True
        return False

    def _mark(self, frame: Frame, inlet: Inlet) -> Step | None:
        if frame.kind is Kind.BARRIER and frame.epoch <= self.taken:
            return None  # the next acknowledgement on this channel is for it too
        self.unacked_marks.append(frame)
        if frame.first != inlet.count:  # at a barrier too: no rewind could mend a commit whose books do not balance
            raise MissingFrame(f"Channel {frame.channel}: {inlet.count} items came of {frame.first} that were sent.")
        if frame.kind is Kind.END:
            inlet.ended = True
        else:
            self.epoch = frame.epoch
            inlet.aligned = True
        if self.epoch and all(other.aligned or other.ended for other in self.inlets.values()):
            return self._barrier(self.epoch)
        return None

    def _barrier(self, epoch: int) -> Step:
        return Step(Act.BARRIER, epoch=epoch)
