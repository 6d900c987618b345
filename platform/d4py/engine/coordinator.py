# SPDX-License-Identifier: Apache-2.0
"""The state machine of a run: epochs, commits, generations, the end.

Events in, instructions out; a mapping's supervisor obeys them, and stores what must be durable before anyone hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Commit:
    """A checkpoint: the epoch it ends, the generation that made it, and for each cell the key of its part."""

    generation: int
    epoch: int
    parts: Mapping[int, str] = field(default_factory=dict)
    final: bool = False


class AskBarriers(NamedTuple):
    """Start an epoch at these source cells."""

    epoch: int
    cells: tuple[int, ...]


class MakeCommit(NamedTuple):
    """Make a commit durable, then call `committed`."""

    commit: Commit


class Rewind(NamedTuple):
    """Make the new generation durable, then start all cells anew from a commit (None: from the start)."""

    generation: int
    start: Commit | None
    reason: str


class Complete(NamedTuple):
    """All is committed: the run has ended."""


class Suspended(NamedTuple):
    """A checkpoint was made because the run is to stop and be resumed."""


class Fail(NamedTuple):
    """The run cannot go on."""

    reason: str


Instruction = AskBarriers | MakeCommit | Rewind | Complete | Suspended | Fail


class Coordinator:
    """One per run. Parts and deaths come in; commits, rewinds and the end go out."""

    def __init__(
        self,
        cells: Sequence[int],
        sources: Sequence[int],
        *,
        generation: int = 1,
        start: Commit | None = None,
        finished: Mapping[int, str] | None = None,
        restarts: int = 3,
    ) -> None:
        """finished: the parts of cells that had ended by the commit `start`."""
        self.cells = tuple(cells)
        self.sources = tuple(sources)
        self.generation = generation
        self.last = start
        self.restarts = restarts
        self.rewinds = 0
        self.epoch = 0  # in progress
        self.newest = start.epoch if start else 0
        self.parts: dict[int, str] = {}
        self.finals: dict[int, str] = dict(finished or {})
        self.last_finals: dict[int, str] = dict(self.finals)
        self.committing: Commit | None = None
        self.suspending = False
        self.unsnapshotable = ""
        self.over = False

    def due(self) -> Iterator[Instruction]:
        """Time for a checkpoint; nothing happens while one is under way, or where there can be none."""
        asked = tuple(cell for cell in self.sources if cell not in self.finals)
        if self.over or self.epoch or self.committing or self.unsnapshotable or not asked:
            return
        self.newest += 1
        self.epoch = self.newest
        self.parts = {}
        yield AskBarriers(self.epoch, asked)
        yield from self._complete()

    def suspend(self) -> Iterator[Instruction]:
        """Stop after one more checkpoint; at once where there can be none."""
        self.suspending = True
        if self.unsnapshotable:
            self.over = True
            yield Suspended()
            return
        yield from self.due()

    def part(self, generation: int, cell: int, epoch: int, key: str) -> Iterator[Instruction]:
        """A cell's part of an epoch is durable."""
        if generation == self.generation and epoch == self.epoch:
            self.parts[cell] = key
            yield from self._complete()

    def final(self, generation: int, cell: int, key: str) -> Iterator[Instruction]:
        """A cell has ended and its final part is durable; it stands for each epoch whose barrier the cell did not pass."""
        if generation == self.generation and not self.over:
            self.finals[cell] = key
            yield from self._complete()

    def committed(self, commit: Commit) -> Iterator[Instruction]:
        """A commit is durable."""
        if commit.generation != self.generation or self.over:
            return
        self.committing = None
        self.last = commit
        self.last_finals = {cell: key for cell, key in self.finals.items() if commit.parts.get(cell) == key}
        self.rewinds = 0
        if commit.final:
            self.over = True
            yield Complete()
        elif self.suspending:
            self.over = True
            yield Suspended()
        else:
            yield from self._complete()

    def died(self, reason: str) -> Iterator[Instruction]:
        """A cell died, a frame is missing, or a store lost something: go back to the last commit."""
        if self.over:
            return
        if self.unsnapshotable:
            self.over = True
            yield Fail(f"{reason} The run takes no checkpoints: {self.unsnapshotable}")
            return
        self.rewinds += 1
        if self.rewinds > self.restarts:
            self.over = True
            yield Fail(
                f"{reason} That was restart {self.rewinds} since the last checkpoint; {self.restarts} are allowed (--restarts)."
            )
            return
        self.generation += 1
        self.epoch = 0
        self.parts = {}
        self.committing = None
        self.finals = dict(self.last_finals)
        yield Rewind(self.generation, self.last, reason)
        if self.suspending:
            yield from self.due()

    def stumbled(self) -> bool:
        """A cell died with nothing in hand, and is to be replaced alone; return whether that may go on."""
        if self.rewinds >= self.restarts:
            return False
        self.rewinds += 1
        return True

    def forgive(self) -> None:
        """What killed a cell was set aside: its deaths say nothing about the next."""
        self.rewinds = 0

    def cannot_snapshot(self, reason: str) -> Iterator[Instruction]:
        """A PE's state cannot be kept: no checkpoints in this run. One under way is given up."""
        self.unsnapshotable = reason
        self.epoch = 0
        self.parts = {}
        if self.suspending and not self.over:
            self.over = True
            yield Suspended()

    def _complete(self) -> Iterator[Instruction]:
        if self.committing is not None:
            return
        if len(self.finals) == len(self.cells):
            # Above every barrier that a cell may have passed: sinks count what came after it to the next epoch.
            self.newest = max(self.newest, self.epoch) + 1
            commit = Commit(self.generation, self.newest, dict(self.finals), final=True)
        elif self.epoch and all(cell in self.parts or cell in self.finals for cell in self.cells):
            commit = Commit(self.generation, self.epoch, {**self.finals, **self.parts})
        else:
            return
        self.epoch = 0
        self.parts = {}
        self.committing = commit
        yield MakeCommit(commit)
