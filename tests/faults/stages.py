# SPDX-License-Identifier: Apache-2.0
"""The PEs of a story. Each keeps its journal with the director, and at its marks waits for the word that may be its end."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import wire
from tests.faults.story import STEP, Stage, origin, passed

import d4py
from d4py.connectors.files import CommittedFiles

_BULK = 6_000  # numbers in an array
_ROOM = 64 << 20  # bytes of addresses that a stage may still take under a memory limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a story is played: what its stages need to know besides their part."""

    address: str  # of the director
    folder: str  # of what sinks commit
    items: int
    pace: float
    heavy: bool  # whether numbers travel with arrays
    marks: frozenset[tuple[str, str, int]]  # stage, during, number


class Poisoned(ValueError):
    """What a stage raises on a poison item."""


class Spoiled(RuntimeError):
    """What came is not what was sent."""


@dataclass(frozen=True, slots=True)
class Cargo:
    """A number with an array of it that is large enough to travel in shared memory."""

    number: int
    bulk: Any

    @classmethod
    def of(cls, number: int) -> Cargo:
        import numpy as np

        return cls(number, np.full(_BULK, float(number)))

    def unpacked(self) -> int:
        """Return the number. Raises Spoiled where somebody else has written into the array."""
        if not (self.bulk == self.number).all():
            raise Spoiled(f"the array of {self.number} holds {sorted(set(self.bulk.tolist()))[:3]}")
        return self.number


def unpacked(value: Any) -> Any:
    """Return a value without its array, which is looked at."""
    return value.unpacked() if isinstance(value, Cargo) else value


def packed(made: Any, of: Any) -> Any:
    """Return what was made of a value as it came: with an array, or without."""
    return Cargo.of(made) if isinstance(of, Cargo) and isinstance(made, int) else made


class Player(d4py.GenericPE):
    """What all stages do."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        super().__init__()
        self.name = stage.name
        self.part = stage
        self.scene = scene
        self.marks = {(during, number) for name, during, number in scene.marks if name == stage.name}
        self.calls: Counter[str] = Counter()
        if stage.reads:
            self._add_input("input", grouping=[0] if stage.does == "keyed" else None)
        self._add_output("output")

    def preprocess(self) -> None:
        wire.tell(self.scene.address, wire.Hello(self.name, self.rank, os.getpid(), os.getppid()))
        self.once("preprocess")

    def postprocess(self) -> None:
        self.once("postprocess")

    def note(self, verb: str, value: Any) -> None:
        """Add a line to this stage's journal."""
        wire.tell(self.scene.address, wire.Note(self.name, verb, value))

    def at(self, during: str, number: int) -> None:
        """Where this is a mark, wait for a word and do as it says."""
        if (during, number) in self.marks:
            obey(wire.ask(self.scene.address, wire.Visit(self.name, self.rank, os.getpid(), during, number)))

    def once(self, during: str) -> None:
        """Be at a mark that is known by how often this process came there."""
        self.calls[during] += 1
        self.at(during, self.calls[during])


def obey(word: str) -> None:
    """Do what the director says."""
    if word == "segfault":
        ctypes.string_at(0)
    elif word == "exit":
        os._exit(0)
    elif word == "raise":
        raise Poisoned("this item is poison")
    elif word in ("memory", "abort"):
        try:
            _exhaust_memory()
        except MemoryError:
            if word == "abort":
                os.abort()  # as a library does that cannot go on without
            raise


def _exhaust_memory() -> None:
    """Take memory until a limit on this process refuses it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _ROOM, before[1]))
    taken = []
    try:
        while True:
            taken.append(bytearray(_ROOM // 8))
    finally:
        taken.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


class Rerun(Player):
    """A source that is run again from its start, its first writes skipped."""

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for value in range(self.part.first, self.part.first + self.scene.items):
            yield self.given(value)
        self.at("end", 0)

    def given(self, value: int) -> dict[str, Any]:
        """Return a value to write, when its time has come."""
        time.sleep(self.scene.pace)
        self.at("item", value)
        self.note("wrote", value)
        return {"output": Cargo.of(value) if self.scene.heavy else value}


class Seek(Rerun):
    """A source that knows its position."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        super().__init__(stage, scene)
        self.next = stage.first

    def offset(self) -> int:
        return self.next

    def seek(self, offset: int) -> None:
        self.next = offset

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while self.next < self.part.first + self.scene.items:
            item = self.given(self.next)
            self.next += 1
            yield item
        self.at("end", 0)


class Tap(Rerun):
    """A source whose world gives each number once; the engine keeps what it wrote."""

    live = True
    replay = "spool"

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while word := self._next():
            yield self.given(int(word))
        self.at("end", 0)

    def _next(self) -> str:
        word = wire.ask(self.scene.address, wire.Take(self.name, os.getpid()))
        return "" if word == "end" else word


class Relay(Player):
    """Passes a value on."""

    stateless = True

    def process(self, inputs: dict[str, Any]) -> Any:
        value = unpacked(inputs["input"])
        self.at("item", origin(value))
        self.note("read", value)
        return {"output": packed(self.made(value), inputs["input"])}

    def made(self, value: Any) -> Any:
        return passed(value)


class Label(Relay):
    """Gives a value a key."""

    def made(self, value: Any) -> Any:
        return origin(value) % 7, passed(value)


class Ledger(Player):
    """Passes values on, and tells at the end how many there were, and their sum."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        super().__init__(stage, scene)
        self.number = self.total = 0

    def process(self, inputs: dict[str, Any]) -> Any:
        value = unpacked(inputs["input"])
        self.at("item", origin(value))
        self.note("read", value)
        if isinstance(value, int):
            self.number += 1
            self.total += value
        return {"output": packed(passed(value), inputs["input"])}

    def postprocess(self) -> None:
        super().postprocess()
        self.write("output", (self.name, self.number, self.total))

    def snapshot(self) -> Any:
        self.once("snapshot")
        return self.number, self.total

    def restore(self, state: Any) -> None:
        self.number, self.total = state


class Sum(Ledger):
    """A ledger that passes nothing on, and may have several instances: the first takes in the others at the end."""

    def process(self, inputs: dict[str, Any]) -> None:
        super().process(inputs)

    def merge(self, other: Sum) -> None:
        self.number += other.number
        self.total += other.total


class Keyed(Player):
    """A ledger per key."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        super().__init__(stage, scene)
        self.books: dict[int, tuple[int, int]] = {}

    def process(self, inputs: dict[str, Any]) -> None:
        key, value = inputs["input"]
        self.at("item", value % STEP)
        self.note("read", value)
        number, total = self.books.get(key, (0, 0))
        self.books[key] = number + 1, total + value

    def postprocess(self) -> None:
        super().postprocess()
        for key, (number, total) in self.books.items():
            self.write("output", (self.name, key, number, total))

    def snapshot(self) -> Any:
        self.once("snapshot")
        return self.books

    def restore(self, state: Any) -> None:
        self.books = state


class Sink(Player):
    """Writes values to files that appear when a checkpoint covers them, and to an output that nobody reads."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        super().__init__(stage, scene)
        self.values: list[Any] = []
        self.files = CommittedFiles()
        self.number = 0

    def process(self, inputs: dict[str, Any]) -> Any:
        value = unpacked(inputs["input"])
        self.at("item", origin(value))
        self.note("read", value)
        self.values.append(value)
        return {"output": value}

    def prepare(self, epoch: int) -> None:
        self.once("prepare")
        if self.values:
            with self.files.open(Path(self.scene.folder) / f"{self.number:05d}.json") as file:
                json.dump(self.values, file)
            self.values = []
            self.number += 1
        self.files.prepare(epoch)

    def commit(self, epoch: int) -> None:
        self.once("commit")
        self.files.commit(epoch)

    def snapshot(self) -> Any:
        self.once("snapshot")
        return self.values, self.files, self.number

    def restore(self, state: Any) -> None:
        self.values, self.files, self.number = state


PLAYERS: dict[str, type[Player]] = {
    "rerun": Rerun,
    "seek": Seek,
    "tap": Tap,
    "relay": Relay,
    "label": Label,
    "ledger": Ledger,
    "keyed": Keyed,
    "sum": Sum,
    "sink": Sink,
}
