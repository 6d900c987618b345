# SPDX-License-Identifier: Apache-2.0
"""Sinks that commit, as the exploration sees them: the engine's real decisions about them, and a PE that holds back what it reads."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from keys import Key, key

from d4py.engine.sinks import Sinks

Held = tuple[tuple[int, tuple[int, ...]], ...]  # values by the epoch that they were prepared for
WRITTEN = -1  # stands for the epoch of what is not prepared yet


class Holding:
    """The PE. What `commit` lets go is taken from `going`, one value after another, since a death may come between two."""

    def __init__(self, held: Held = ()) -> None:
        self.held = dict(held)
        self.going: tuple[int, ...] = ()

    def write(self, value: int) -> None:
        """Hold a value back."""
        self.held[WRITTEN] = (*self.held.get(WRITTEN, ()), value)

    def prepare(self, epoch: int) -> None:
        """What was written so far belongs to this epoch."""
        if WRITTEN in self.held:
            self.held[epoch] = (*self.held.get(epoch, ()), *self.held.pop(WRITTEN))

    def commit(self, epoch: int) -> None:
        """Let go what belongs to the epochs up to this one."""
        for old in sorted(number for number in self.held if WRITTEN < number <= epoch):
            self.going = (*self.going, *self.held.pop(old))

    def state(self) -> Held:
        """Return what a part keeps."""
        return tuple(sorted(self.held.items()))


def begun(kind: type[Sinks], held: Held, epoch: int) -> tuple[Sinks, Holding]:
    """Return the sinks of a cell that goes on from a commit of this epoch, and the one PE among them."""
    pe = Holding(held)
    circuit: Any = SimpleNamespace(pes={0: pe})
    return kind(circuit, _guard, epoch), pe


def clone_sinks(sinks: Sinks) -> tuple[Sinks, Holding]:
    """Return copies that share nothing which changes."""
    twin = object.__new__(type(sinks))
    twin.__dict__.update(sinks.__dict__)
    (old,) = sinks.__dict__["_pes"].values()
    pe = Holding()
    pe.held, pe.going = dict(old.held), old.going
    twin.__dict__["_pes"] = {0: pe}
    return twin, pe


def sinks_key(sinks: Sinks) -> Key:
    """Return the key of all that sinks and their PE have."""
    (pe,) = sinks.__dict__["_pes"].values()
    own = sorted((name, value) for name, value in sinks.__dict__.items() if name not in {"_pes", "_guard"})
    return (key(tuple(own)), key(pe.held), pe.going)


def _guard(rank: int, during: str, call: Callable[[], Any]) -> None:
    call()
