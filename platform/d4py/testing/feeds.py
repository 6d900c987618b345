# SPDX-License-Identifier: Apache-2.0
"""Sources of the contract's workflows whose world is not a range of numbers: one that knows its place, one that rolls dice, one that never ends."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from d4py.testing.faults import Bench, Fault, Loaded, note


class Feed(Bench):
    """A source whose numbers may carry faults."""

    def __init__(self, name: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(name, faults)
        self.own: dict[int, list[Fault]] = {}
        self.loads: dict[int, tuple[Fault, ...]] = {}
        for fault in faults:
            if fault.at == name:
                self.own.setdefault(fault.item, []).append(fault)
            else:
                self.loads[fault.item] = (*self.loads.get(fault.item, ()), fault)
        self._add_output("output")

    def trouble(self, number: int) -> Iterator[None]:
        """Let the faults that the source itself has at a number strike; a pause lets the engine work meanwhile."""
        for fault in self.own.get(number, ()):
            if fault.do == "pause":
                yield from fault.wait()
            else:
                fault.strike()

    def loaded(self, number: int, value: Any) -> Any:
        """Return a value with the faults that travel with its number."""
        faults = self.loads.get(number)
        return Loaded(value, faults) if faults else value


class Tape(Feed):
    """Knows its place, and can be wound back to one. Notes each number that it reads."""

    pickleIgnore = ("at",)  # noqa: N815 - dispel4py's name; the place is told by offset() alone

    def __init__(self, name: str, items: int, faults: Sequence[Fault] = (), *, notes: str) -> None:
        super().__init__(name, faults)
        self.items, self.notes = items, notes
        self.at = 0

    def offset(self) -> int:
        return self.at

    def seek(self, offset: int) -> None:
        self.at = offset

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
        while self.at < self.items:
            yield from self.trouble(self.at)
            note(self.notes, self.at)
            self.at += 1  # before the write: a place lies behind what was written
            yield {"output": self.loaded(self.at - 1, self.at - 1)}


class Dice(Feed):
    """Writes pairs (number, chance): never the same twice, so what it has written is kept."""

    replay = "spool"

    def __init__(self, name: str, items: int, faults: Sequence[Fault] = ()) -> None:
        super().__init__(name, faults)
        self.items = items

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
        for number in range(self.items):
            yield from self.trouble(number)
            yield {"output": self.loaded(number, (number, os.urandom(4).hex()))}


class Stream(Feed):
    """Live: writes 0, 1, ... until it is stopped, as a stream of values or in one long call."""

    live = True

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, call: bool = False) -> None:
        super().__init__(name, faults)
        self.call = call

    def process(self, inputs: dict[str, Any]) -> Any:
        return self._write_on() if self.call else self._stream()

    def _stream(self) -> Iterator[dict[str, Any] | None]:
        number = 0
        while True:
            yield from self.trouble(number)
            yield {"output": self.loaded(number, number)}
            number += 1

    def _write_on(self) -> None:
        number = 0
        while True:
            self.write("output", self.loaded(number, number))
            number += 1


class Pipe(Feed):
    """Live: hands on the bytes that come through a pipe, and stands in a read that only a signal can end while none come. Notes each read."""

    live = True

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, path: str) -> None:
        super().__init__(name, faults)
        self.path = path

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        pipe = os.open(self.path, os.O_RDWR)  # with both ends, so that it never ends
        try:
            while True:
                note(f"{self.path}-reads", "begun")
                byte = os.read(pipe, 1)[0]
                yield {"output": self.loaded(byte, byte)}
        finally:
            os.close(pipe)
