# SPDX-License-Identifier: Apache-2.0
"""The coordinator as the exploration sees it: the engine's real one, what is durable beside it, and what must hold of each commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from checks import check_commit
from keys import Key, clone_object, key, key_object
from rules import Part, Rules, Violation
from systems import System

from d4py.engine.coordinator import (
    AskBarriers,
    Commit,
    Complete,
    Coordinator,
    Fail,
    Instruction,
    MakeCommit,
    Rewind,
    Suspended,
)
from d4py.engine.estate import Estate

Ask = tuple[int, int, int, str]  # cell, generation, epoch; "barrier", or "commit" where the epoch's is durable
Birth = tuple[int, Estate]  # a cell, and what the one left whose place it takes


class Parts:
    """Every part that was ever handed over, by number. Its number is the key that the coordinator knows."""

    def __init__(self) -> None:
        self.all: list[Part] = []
        self.numbers: dict[Key, int] = {}

    def keep(self, part: Part) -> int:
        """Keep a part; return its number."""
        name = key(part)
        if name not in self.numbers:
            self.numbers[name] = len(self.all)
            self.all.append(part)
        return self.numbers[name]

    def of(self, commit: Commit | None) -> dict[int, Part]:
        """Return the parts of a commit by cell."""
        return {cell: self.all[int(number)] for cell, number in commit.parts.items()} if commit else {}


class Desk:
    """The coordinator, the commits on their way to the disk and back, and what the disk says."""

    def __init__(self, system: System, rules: Rules, parts: Parts) -> None:
        self.system, self.rules, self.parts = system, rules, parts
        self.writing: tuple[Commit, ...] = ()
        self.written: tuple[Commit, ...] = ()
        self.start: Commit | None = None  # what the present generation began from
        self.disk: tuple[int, Commit | None, Commit | None] = (
            1,
            None,
            None,
        )  # last generation, its start, its newest commit
        self.outcome = ""
        self.reason = ""
        self.rewinds = 0  # since the last commit, counted here too
        self.sinks = tuple([place.index for place in system.places if place.pe.kind == "files"])
        self.epoch = 0  # of the newest commit that sinks were told of
        self.ending = False  # all is committed; the run waits for `unreleased`
        self.unreleased: tuple[int, ...] = ()
        self.asks: tuple[Ask, ...] = ()
        self.births: tuple[Birth, ...] = ()
        self.coordinator = self._new(1, None)

    def clone(self) -> Desk:
        """Return a copy."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.coordinator = clone_object(self.coordinator)
        return twin

    def key(self) -> Key:
        """Return the key of this state."""
        kept = (self.writing, self.written, self.start, *self.disk, self.outcome, self.rewinds, self.epoch)
        return (key_object(self.coordinator), key(kept), self.ending, self.unreleased)

    @property
    def generation(self) -> int:
        """The generation that the cells are to be in."""
        return self.coordinator.generation

    def handle(self, event: tuple[Any, ...]) -> None:
        """Let something happen; `asks` are then the requests to the sources."""
        self.asks, self.births = (), ()
        getattr(self, f"_{event[0]}")(*event[1:])

    def _part(self, number: int) -> None:
        part = self.parts.all[number]
        if part.final:
            self._obey(self.coordinator.final(part.generation, part.cell, str(number)))
        else:
            self._obey(self.coordinator.part(part.generation, part.cell, part.epoch, str(number)))

    def _lost(self, generation: int) -> None:
        if generation == self.generation:
            self._died("A frame is missing.")

    def _died(self, reason: str = "A cell died.") -> None:
        if self.ending:
            self.outcome = "suspended"  # resume lets the sinks finish
        else:
            self._obey(self.coordinator.died(reason))

    def _released(self, cell: int, epoch: int) -> None:
        if epoch == self.epoch or not self.rules.last_counts:
            self.unreleased = tuple([other for other in self.unreleased if other != cell])
            if self.ending and not self.unreleased:
                self._complete(self.coordinator.last)

    def _due(self) -> None:
        self._obey(self.coordinator.due())

    def _suspend(self) -> None:
        self._obey(self.coordinator.suspend())

    def _write(self) -> None:
        commit, *others = self.writing
        self.writing = tuple(others)
        if self.rules.durable_first:
            self.written = (*self.written, commit)
        generation, start, newest = self.disk
        if commit.generation == generation:
            check_commit(self.system, self.parts.of(commit), self.parts.of(newest or start))
            self.disk = (generation, start, commit)

    def _committed(self) -> None:
        commit, *others = self.written
        self.written = tuple(others)
        if commit.generation == self.generation:
            self.rewinds = 0
            if self.rules.sinks_wait and not commit.final:
                self._tell_sinks(commit)
        self._obey(self.coordinator.committed(commit))

    def _restart(self) -> None:
        """Begin again from the disk: another coordinator, another generation."""
        generation, start, newest = self.disk
        begin = newest or start
        self.writing, self.written, self.outcome = (), (), ""
        self.ending, self.unreleased = False, ()
        if begin is not None and begin.final and not self.sinks:
            self._complete(begin)
            return
        self.disk = (generation + 1, begin, None)
        self.start = begin
        self.coordinator = self._new(generation + 1, begin)
        self._begin(begin)

    def _begin(self, start: Commit | None) -> None:
        """A generation begins. Sinks make sure of what the commit covers; of an ended run only that is left."""
        if start is not None and self.rules.tells_again:
            if start.final:
                self._release_last(start)
            else:
                self._tell_sinks(start)

    def _tell_sinks(self, commit: Commit) -> None:
        self.epoch = commit.epoch
        self.asks = (*self.asks, *[(cell, self.generation, commit.epoch, "commit") for cell in self.sinks])

    def _release_last(self, commit: Commit) -> None:
        self.ending, self.unreleased = True, self.sinks
        self._tell_sinks(commit)
        if not self.unreleased:
            self._complete(commit)

    def _new(self, generation: int, start: Commit | None) -> Coordinator:
        finished = (
            {cell: number for cell, number in start.parts.items() if self.parts.all[int(number)].final} if start else {}
        )
        cells = [place.index for place in self.system.places]
        sources = [place.index for place in self.system.places if place.pe.kind == "source"]
        return self.rules.coordinator(
            cells, sources, generation=generation, start=start, finished=finished, restarts=self.system.restarts
        )

    def _obey(self, instructions: Iterable[Instruction]) -> None:
        for instruction in list(instructions):
            match instruction:
                case AskBarriers(epoch, cells):
                    self.asks = (*self.asks, *[(cell, self.generation, epoch, "barrier") for cell in cells])
                case MakeCommit(commit):
                    self._make(commit)
                case Rewind(generation, start, _):
                    self.rewinds += 1
                    if self.rewinds > self.system.restarts:
                        raise Violation(
                            f"{self.rewinds} rewinds since the last commit; {self.system.restarts} are allowed."
                        )
                    if generation <= self.disk[0]:
                        raise Violation(f"Generation {generation} begins after generation {self.disk[0]}.")
                    self.disk, self.start = (generation, start, None), start
                    self._begin(start)
                case Complete():
                    assert self.coordinator.last is not None
                    self._release_last(self.coordinator.last)
                case Suspended():
                    self.outcome = "suspended"
                case Fail(reason):
                    self.outcome, self.reason = "failed", reason

    def _make(self, commit: Commit) -> None:
        if set(commit.parts) != {place.index for place in self.system.places}:
            raise Violation(f"The commit of epoch {commit.epoch} has the parts of cells {sorted(commit.parts)} only.")
        self.writing = (*self.writing, commit)
        if not self.rules.sinks_wait:
            self._tell_sinks(commit)
        if not self.rules.durable_first:
            self.written = (*self.written, commit)

    def _complete(self, commit: Commit | None) -> None:
        if commit is None or not commit.final or commit not in self.disk:
            raise Violation("The run is complete, and the disk does not say so.")
        self.outcome = "complete"
