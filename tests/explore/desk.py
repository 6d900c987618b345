# SPDX-License-Identifier: Apache-2.0
"""The coordinator as the exploration sees it: the engine's real one, what is durable beside it, and what must hold of each commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from checks import check_commit
from keys import Key, clone_object, key, key_object
from shell import Part, Rules, Violation
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

Ask = tuple[int, int, int]  # cell, generation, epoch


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
        self.asks: tuple[Ask, ...] = ()
        self.coordinator = self._new(1, None)

    def clone(self) -> Desk:
        """Return a copy."""
        twin = object.__new__(Desk)
        twin.__dict__.update(self.__dict__)
        twin.coordinator = clone_object(self.coordinator)
        return twin

    def key(self) -> Key:
        """Return the key of this state."""
        kept = (self.writing, self.written, self.start, *self.disk, self.outcome, self.rewinds)
        return (key_object(self.coordinator), key(kept))

    @property
    def generation(self) -> int:
        """The generation that the cells are to be in."""
        return self.coordinator.generation

    def handle(self, event: tuple[Any, ...]) -> None:
        """Let something happen; `asks` are then the requests to the sources."""
        self.asks = ()
        getattr(self, f"_{event[0]}")(*event[1:])

    def _part(self, number: int) -> None:
        part = self.parts.all[number]
        if part.final:
            self._obey(self.coordinator.final(part.generation, part.cell, str(number)))
        else:
            self._obey(self.coordinator.part(part.generation, part.cell, part.epoch, str(number)))

    def _lost(self, generation: int) -> None:
        if generation == self.generation:
            self._obey(self.coordinator.died("A frame is missing."))

    def _died(self) -> None:
        self._obey(self.coordinator.died("A cell died."))

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
        self._obey(self.coordinator.committed(commit))

    def _restart(self) -> None:
        """Begin again from the disk: another coordinator, another generation."""
        generation, start, newest = self.disk
        begin = newest or start
        self.writing, self.written, self.outcome = (), (), ""
        if begin is not None and begin.final:
            self._complete(begin)
            return
        self.disk = (generation + 1, begin, None)
        self.start = begin
        self.coordinator = self._new(generation + 1, begin)

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
                    self.asks = (*self.asks, *[(cell, self.generation, epoch) for cell in cells])
                case MakeCommit(commit):
                    if set(commit.parts) != {place.index for place in self.system.places}:
                        raise Violation(
                            f"The commit of epoch {commit.epoch} has the parts of cells {sorted(commit.parts)} only."
                        )
                    self.writing = (*self.writing, commit)
                    if not self.rules.durable_first:
                        self.written = (*self.written, commit)
                case Rewind(generation, start, _):
                    self.rewinds += 1
                    if self.rewinds > self.system.restarts:
                        raise Violation(
                            f"{self.rewinds} rewinds since the last commit; {self.system.restarts} are allowed."
                        )
                    if generation <= self.disk[0]:
                        raise Violation(f"Generation {generation} begins after generation {self.disk[0]}.")
                    self.disk, self.start = (generation, start, None), start
                case Complete():
                    self._complete(self.coordinator.last)
                case Suspended():
                    self.outcome = "suspended"
                case Fail(reason):
                    self.outcome, self.reason = "failed", reason

    def _complete(self, commit: Commit | None) -> None:
        if commit is None or not commit.final or commit not in self.disk:
            raise Violation("The run is complete, and the disk does not say so.")
        self.outcome = "complete"
