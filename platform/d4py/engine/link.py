# SPDX-License-Identifier: Apache-2.0
"""What a mapping gives to a cell, and what the two tell each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from d4py.engine.settlement import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, MutableSequence, Sequence
    from types import TracebackType

    from d4py.engine.cell import Counters
    from d4py.engine.estate import Estate
    from d4py.engine.failure import Failure
    from d4py.items import Frame


class FrameArrived(NamedTuple):
    """A frame came in."""

    frame: Frame


class Acknowledged(NamedTuple):
    """A reader is done with frames up to `number` and allows items up to `credit`."""

    channel: int
    number: int
    credit: int
    generation: int


class BarrierAsked(NamedTuple):
    """The coordinator starts an epoch."""

    epoch: int
    generation: int


class Committed(NamedTuple):
    """A commit is durable: sinks may let go what they prepared up to its epoch."""

    epoch: int
    generation: int


class Drain(NamedTuple):
    """Live sources are to stop; what is in flight goes on."""


class Bereaved(NamedTuple):
    """The other end of these channels died; what it sent has come. How far this cell has come with it is to be reported."""

    channels: frozenset[int]
    dead: int  # its process


class RunOver(NamedTuple):
    """The run has ended: nothing of this cell is needed any more."""


class Abandon(NamedTuple):
    """Give up this generation at once."""


Event = FrameArrived | Acknowledged | BarrierAsked | Committed | Drain | Bereaved | RunOver | Abandon


PART_VERSION = 3  # of what a part keeps


@dataclass(slots=True)
class Part:
    """What a checkpoint keeps of one cell."""

    generation: int
    cell: int
    epoch: int
    counters: Counters
    version: int = PART_VERSION
    states: dict[int, bytes] = field(default_factory=dict)  # by rank
    partials: dict[int, tuple[int, bytes]] = field(
        default_factory=dict
    )  # states to merge: by the writer's rank, with the reader's
    positions: dict[int, Any] = field(default_factory=dict)
    counts: dict[int, dict[str, dict[str, int]]] = field(default_factory=dict)  # items per port, by rank
    outputs: Any = None  # how far the spools reach
    quarantined: Any = None
    seconds: float = 0.0  # that the PEs have taken, without waiting for others

    @property
    def final(self) -> bool:
        """Whether the cell had ended."""
        return self.counters.finished

    def is_past(self, other: Part | None) -> bool:
        """Whether the cell has come further than in an earlier part; None is its beginning."""
        if other is None:
            moved = any(number for count in self.counts.values() for of in count.values() for number in of.values())
            return moved or self.final or any(position.moved for position in self.positions.values())
        try:
            return bool((self.final, self.counts, self.positions) != (other.final, other.counts, other.positions))
        except Exception:
            return True  # offsets are of the source's own making, and need not be comparable


class Snapshotted(NamedTuple):
    """A part to make durable; the coordinator hears of it when it is."""

    part: Part


class CannotSnapshot(NamedTuple):
    """A PE's state cannot be kept."""

    reason: str


class Released(NamedTuple):
    """The sinks of a cell have let go what they prepared up to an epoch."""

    cell: int
    epoch: int


class Failed(NamedTuple):
    """A PE failed the run."""

    failure: Failure


class Standing(NamedTuple):
    """How far a cell has come with one that died."""

    cell: int
    dead: int
    estate: Estate


class Lost(NamedTuple):
    """A frame is missing."""

    reason: str


class Unkept(NamedTuple):
    """The disk does not take what the cell must keep."""

    reason: str


Report = Snapshotted | Released | CannotSnapshot | Failed | Standing | Lost | Unkept


class Spool(Kept, Protocol):
    """Keeps what nobody consumes, in order, so that a part can say how far it reaches."""

    def append(self, rank: int, name: str, value: Any) -> None:
        """Keep one value."""

    def flush(self) -> None:
        """Hand what was appended to the operating system."""

    def reach(self) -> Any:
        """Make what was appended durable; return what a part keeps of it."""


class Journal(Protocol):
    """Keeps what a source that cannot be run again has written."""

    def append(self, value: Any) -> None:
        """Keep one write before it is sent."""

    def since(self, number: int) -> Iterable[Any]:
        """Return the writes from `number` on; all are taken before the next is appended."""

    def sync(self) -> None:
        """Make what was appended durable."""


class Lock(Protocol):
    """A lock that the thread which has it may take again."""

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; return whether that succeeded."""

    def release(self) -> None:
        """Let it go."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Link(Protocol):
    """How a cell is joined to the rest of the run."""

    copies: bool  # whether a value sent is a copy (another process) or the value itself
    near: Collection[int]  # channels whose readers take turns with this cell: they run only while it does not
    ledger: MutableSequence[int]  # words that outlive the process, for the settlement
    # What is in hand: channel + 1 (0: nothing), number of the frame's first item, index, digest (0: nobody asked for it).
    note: MutableSequence[int]

    @property
    def empty(self) -> Callable[[int], Any] | None:
        """What gives memory that readers share, where there is such: bytes in, a buffer out, or None."""

    @property
    def urgent(self) -> bool:
        """Whether something came that must not wait until the call in progress ends."""

    @property
    def lock(self) -> Lock:
        """Held by the cell, but for the time that users' code runs."""

    @property
    def outputs(self) -> Spool:
        """Where values go that nobody consumes."""

    @property
    def quarantine(self) -> Spool:
        """Where items go that no try could process."""

    def send(self, frame: Frame) -> int:
        """Carry a frame to its reader; return about how many bytes it holds."""

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """Tell the writer of a channel."""

    def drain(self) -> None:
        """Hand all that was sent to what carries it and outlives this process."""

    def poll(self, wait: float) -> Sequence[Event]:
        """Return what came in; wait for it up to so many seconds (0: not at all; below 0: as long as it takes)."""

    def glance(self) -> Sequence[Event]:
        """Return what came in, without waiting and without giving other cells a turn."""

    def tick(self, call: Callable[[], None]) -> None:
        """Have this called every few hundredths of a second, from another thread, while the cell lives."""

    def report(self, report: Report) -> None:
        """Tell the supervisor."""

    def clock(self) -> float:
        """Return seconds that never go back."""

    def journal(self, rank: int) -> Journal:
        """Return the journal of a source."""

    def publish(self, rank: int, read: int, written: int, quarantined: int) -> None:
        """Show the counts of an instance to whoever watches."""

    def log(self, rank: int, message: str) -> None:
        """Write to the log of an instance."""
