# SPDX-License-Identifier: Apache-2.0
"""Faults that travel with items: a source writes numbers, and a number may carry what befalls the PE that opens it.

The source can be run again and writes the same. How often a fault has struck is kept in files, so that it outlives the death it causes.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d4py.graph import GenericPE
from d4py.testing.waiting import eventually

PATIENCE = 60.0  # seconds that a gate may stay shut


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens in a PE: `do` is raise, exit, crash, segfault or pause.

    In process it happens on an item; `during` names another method. times: how often in all, 0 for always.
    """

    do: str
    at: str  # name of the PE
    scratch: str  # folder of marks and gates
    item: int = -1
    during: str = "process"
    times: int = 1

    @property
    def name(self) -> str:
        """Its name in the scratch folder."""
        return f"{self.at}-{self.during}-{self.item}"

    def strike(self) -> None:
        """Do it, unless it was done often enough."""
        if self.do == "pause":
            self._mark("at").touch()
            eventually(self.is_open, within=PATIENCE, what=f"gate {self.name} to open")
        elif self.due():
            self._do()

    def due(self) -> bool:
        """Count this strike; return whether it is one of the `times`."""
        for number in range(1, self.times + 1):
            try:
                self._mark(f"struck{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return self.times == 0

    def is_open(self) -> bool:
        """Whether the gate of a pause is open."""
        return self._mark("go").exists()

    def wait(self) -> Iterator[None]:
        """Wait at a gate as a source should: giving the engine its turn meanwhile."""
        self._mark("at").touch()
        while not self.is_open():
            yield None
            try:
                eventually(self.is_open, within=0.001)
            except TimeoutError:
                continue

    def _mark(self, kind: str) -> Path:
        return Path(self.scratch) / f"{kind}-{self.name}"

    def _do(self) -> None:
        if self.do == "raise":
            raise ValueError(f"{self.name} is poison")
        if self.do == "exit":
            raise SystemExit(0)
        if self.do == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.do == "segfault":
            ctypes.string_at(0)
        raise AssertionError(f"there is no fault {self.do!r}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A number that carries faults."""

    value: int
    faults: tuple[Fault, ...]


def opened(item: Any, at: str) -> Any:
    """Return the number of an item; its faults for the PE of this name strike first."""
    if not isinstance(item, Loaded):
        return item
    for fault in item.faults:
        if fault.at == at:
            fault.strike()
    return item.value


class Bench(GenericPE):
    """A PE with a name, and faults in its methods."""

    def __init__(self, name: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__()
        self.name = name
        self.faults = [fault for fault in faults if fault.at == name]

    def preprocess(self) -> None:
        self.befall("preprocess")

    def postprocess(self) -> None:
        self.befall("postprocess")

    def befall(self, during: str) -> None:
        """Let the faults of a method strike."""
        for fault in self.faults:
            if fault.during == during:
                fault.strike()


class Numbers(Bench):
    """A source that writes first, first + 1, ...; some of them loaded. It notes each in a file before it is written.

    A pause at the source itself lets the engine work meanwhile, so checkpoints and requests are served while it waits.
    """

    def __init__(self, name: str, items: int, faults: Sequence[Fault] = (), *, first: int = 0, notes: str = "") -> None:
        super().__init__(name, faults)
        self.first, self.items, self.notes = first, items, notes
        self.loads: dict[int, tuple[Fault, ...]] = {}
        for fault in faults:
            if fault.item >= 0:
                self.loads[fault.item] = (*self.loads.get(fault.item, ()), fault)
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
        for value in range(self.first, self.first + self.items):
            for fault in self.loads.get(value, ()):
                if fault.at != self.name:
                    continue
                if fault.do == "pause":
                    yield from fault.wait()
                else:
                    fault.strike()
            if self.notes:
                note(self.notes, value)
            carried = tuple(fault for fault in self.loads.get(value, ()) if fault.at != self.name)
            yield {"output": Loaded(value, carried) if carried else value}


def note(path: str, value: object) -> None:
    """Add a line to a file that several processes may write."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{value}\n".encode())
    finally:
        os.close(file)


def noted(path: str) -> list[str]:
    """Return the lines of a file of notes."""
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
