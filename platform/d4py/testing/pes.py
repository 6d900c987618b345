# SPDX-License-Identifier: Apache-2.0
"""PEs of the contract's workflows: small, and each with one habit that an engine could get wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from d4py.testing.faults import Bench, Fault, Loaded, note, noted, opened


class Relay(Bench):
    """Passes items on as they came."""

    stateless = True

    def __init__(self, name: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(name, faults)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        opened(inputs["input"], self.name)
        return {"output": inputs["input"]}


class Nth(Relay):
    """Strikes by the number of its call, whatever the item is."""

    stateless = False

    def __init__(self, name: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(name, faults)
        self.calls = 0

    def process(self, inputs: dict[str, Any]) -> Any:
        for fault in self.faults:
            if fault.item == self.calls:
                fault.strike()
        self.calls += 1
        return {"output": inputs["input"]}


class Sieve(Relay):
    """Lets through what has a remainder."""

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, modulus: int, remainder: int) -> None:
        super().__init__(name, faults)
        self.modulus, self.remainder = modulus, remainder

    def process(self, inputs: dict[str, Any]) -> Any:
        value = opened(inputs["input"], self.name)
        return {"output": inputs["input"]} if value % self.modulus == self.remainder else None


class Stutter(Relay):
    """Writes a number, may fail then, and writes its negative. wrapped: each in a tuple, so that it can be a key."""

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, wrapped: bool = False) -> None:
        super().__init__(name, faults)
        self.wrapped = wrapped

    def process(self, inputs: dict[str, Any]) -> Any:
        value = inputs["input"]
        self._say(getattr(value, "value", value))
        self._say(-opened(value, self.name))

    def _say(self, number: int) -> None:
        self.write("output", (number,) if self.wrapped else number)


class Notes(Bench):
    """Notes each number it reads in a file, from whichever instance."""

    stateless = True

    def __init__(self, name: str, *, notes: str, grouping: Any = None) -> None:
        super().__init__(name)
        self.notes = notes
        self._add_input("input", grouping=grouping)

    def process(self, inputs: dict[str, Any]) -> None:
        value = inputs["input"]
        note(self.notes, value[0] if isinstance(value, tuple) else value)


class Opener(Relay):
    """Writes before its first item and after its last."""

    def preprocess(self) -> None:
        self.write("output", "begin")
        self.befall("preprocess")

    def process(self, inputs: dict[str, Any]) -> Any:
        return {"output": opened(inputs["input"], self.name)}

    def postprocess(self) -> None:
        self.write("output", "end")
        self.befall("postprocess")


class Stamp(Relay):
    """Writes (its rank, number)."""

    def process(self, inputs: dict[str, Any]) -> Any:
        return {"output": (self.rank, opened(inputs["input"], self.name))}


class Swallow(Relay):
    """Catches what its writes raise, as careless code does."""

    def process(self, inputs: dict[str, Any]) -> Any:
        with suppress(Exception):
            self.write("output", inputs["input"])


class Sink(Relay):
    """Notes in a file each number it sees, and writes it on an output that nobody reads."""

    stateless = False

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, notes: str = "", grouping: Any = None) -> None:
        super().__init__(name, faults)
        self.notes = notes
        if grouping is not None:
            self._add_input("input", grouping=grouping)

    def process(self, inputs: dict[str, Any]) -> Any:
        value = opened(inputs["input"], self.name)
        if self.notes:
            note(self.notes, value)
        return {"output": value}


class Total(Bench):
    """Keeps a sum; writes it at the end."""

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, grouping: Any = None) -> None:
        super().__init__(name, faults)
        self.total = 0
        self._add_input("input", grouping=grouping)
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        self.total += opened(inputs["input"], self.name)

    def snapshot(self) -> Any:
        if self.total:  # not in the trial before the first item
            self.befall("snapshot")
        return self.total

    def restore(self, state: Any) -> None:
        self.total = state

    def postprocess(self) -> None:
        super().postprocess()
        self.write("output", self.total)


class Sum(Total):
    """A sum of which each instance has a part."""

    def merge(self, other: Sum) -> None:
        """Add what another instance has."""
        self.befall("merge")
        self.total += other.total


class Key(Relay):
    """Writes (number modulo 7, number)."""

    def process(self, inputs: dict[str, Any]) -> Any:
        value = opened(inputs["input"], self.name)
        return {"output": (value % 7, value)}


class Count(Bench):
    """Counts (key, anything) by key; writes (key, count) at the end."""

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, numprocesses: int = 1) -> None:
        super().__init__(name, faults)
        self.numprocesses = numprocesses
        self.counts: dict[Any, int] = {}
        self._add_input("input", grouping=[0])
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        key = inputs["input"][0]
        self.counts[key] = self.counts.get(key, 0) + 1

    def postprocess(self) -> None:
        super().postprocess()
        for key, number in self.counts.items():
            self.write("output", (key, number))


class Values(Bench):
    """A source of given values."""

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        super().__init__(name)
        self.values = list(values)
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for value in self.values:
            self.write("output", value)


class Spoil(Bench):
    """Writes the sum of a list or array, then ruins it: what it was given is its own. May fail after the ruin."""

    def __init__(self, name: str, faults: Sequence[Fault] = (), *, grouping: Any = None, numprocesses: int = 1) -> None:
        super().__init__(name, faults)
        self.numprocesses = numprocesses
        self._add_input("input", grouping=grouping)
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        value = inputs["input"]
        total = int(sum(value))
        for place in range(len(value)):
            value[place] = 1_000_000
        self.befall("process")
        return {"output": total}


class Ceremony(Bench):
    """Notes and writes that it begins and that it ends."""

    def __init__(self, name: str, *, notes: str, numprocesses: int = 1) -> None:
        super().__init__(name)
        self.notes = notes
        self.numprocesses = numprocesses
        self._add_input("input")
        self._add_output("output")

    def preprocess(self) -> None:
        note(self.notes, f"begin {self.rank}")
        self.write("output", "begin")

    def process(self, inputs: dict[str, Any]) -> Any:
        return {"output": inputs["input"]}

    def postprocess(self) -> None:
        note(self.notes, f"end {self.rank}")
        self.write("output", "end")


class Tap(Bench):
    """A source whose world can't be had again: each number comes once, whoever asks. Its writes are kept in a journal.

    The world notes what it gave, and beside it, in a file named kept, what was written when the source came back.
    """

    live = True
    replay = "spool"

    def __init__(self, name: str, items: int, faults: Sequence[Fault] = (), *, world: str) -> None:
        super().__init__(name, faults)
        self.items, self.world = items, world
        self.own = {fault.item: fault for fault in faults if fault.at == name}
        self.loads = [fault for fault in faults if fault.at != name]
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
        while (number := len(noted(self.world))) < self.items:
            if number in self.own and self.own[number].do == "pause":
                yield from self.own[number].wait()
            elif number in self.own:
                self.own[number].strike()
            note(self.world, number)
            faults = tuple(fault for fault in self.loads if fault.item == number)
            yield {"output": Loaded(number, faults) if faults else number}
            note(f"{self.world}-kept", number)


class Hold(Bench):
    """Keeps all arrays until the end, and writes the sum of each then."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.held: list[Any] = []
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        self.held.append(inputs["input"])

    def postprocess(self) -> None:
        for array in self.held:
            self.write("output", float(array.sum()))


class Lock(Relay):
    """Writes what no other process can have."""

    def process(self, inputs: dict[str, Any]) -> Any:
        return {"output": threading.Lock()}


class Open(Relay):
    """Tells whether a lock is locked."""

    def process(self, inputs: dict[str, Any]) -> Any:
        return {"output": inputs["input"].locked()}


class Endless(Bench):
    """A live source, as a stream of values or in one long call; it writes until it is stopped."""

    live = True

    def __init__(self, name: str, *, notes: str, call: bool = False) -> None:
        super().__init__(name)
        self.call = call
        self.notes = notes
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        return self._write_on() if self.call else self._stream()

    def _stream(self) -> Any:
        number = 0
        while True:
            yield {"output": number}
            number += 1

    def _write_on(self) -> None:
        number = 0
        while True:
            self.write("output", number)
            number += 1


class Spectrum(Bench):
    """Writes an array for each number; or computes `computed` of them in memory that it asks for."""

    stateless = True

    def __init__(self, name: str, *, computed: int = 0) -> None:
        super().__init__(name)
        self.computed = computed
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        import numpy as np

        number = opened(inputs["input"], self.name)
        for _ in range(self.computed):
            array = self.empty(10_000)
            np.add(np.arange(10_000), number, out=array)
            self.write("output", array)
        return None if self.computed else {"output": np.arange(10_000, dtype=np.float64) + number}
