# SPDX-License-Identifier: Apache-2.0
"""PEs that hold back what they do to the world until a checkpoint covers it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from d4py.engine.keeping import commits

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.engine.circuit import Circuit

    Guard = Callable[[int, str, Callable[[], Any]], None]


class Sinks:
    """The committing PEs of one cell, and how far they are."""

    def __init__(self, circuit: Circuit, guard: Guard, epoch: int) -> None:
        """guard: calls users' code, and fails the run if it raises. epoch: of the commit that the cell goes on from."""
        self._pes = {rank: pe for rank, pe in circuit.pes.items() if commits(pe)}
        self._guard = guard
        self._passed = epoch
        self._released = 0
        self.committed = 0  # epoch of the newest commit that the cell has heard of

    @property
    def waiting(self) -> bool:
        """Whether a commit has come that was not acted on yet."""
        return self.committed > self._released

    def prepare(self, epoch: int) -> None:
        """Make ready what a part covers. The end (epoch 0) gets the number after the last barrier."""
        for rank, pe in self._pes.items():
            prepare = getattr(pe, "prepare", None)
            if prepare is not None:
                self._guard(rank, "prepare", partial(prepare, epoch or self._passed + 1))
        self._passed = max(self._passed, epoch)

    def release(self) -> int:
        """Let go what was prepared up to the last commit; return its epoch. Doing so again does nothing."""
        for rank, pe in self._pes.items():
            self._guard(rank, "commit", partial(pe.commit, self.committed))
        self._released = self.committed
        return self._released
