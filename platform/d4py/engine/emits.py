# SPDX-License-Identifier: Apache-2.0
"""What takes the values that a PE writes, by output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d4py.graph.pe import GenericPE

Emit = Callable[[Any], None]


class Emits(dict[str, Emit]):
    """The outputs of a PE: those that it declares, and of a PE that may write on others these, too, from their first value on."""

    def __init__(self, emits: dict[str, Emit], other: Callable[[str], Emit] | None = None) -> None:
        """other: makes what takes the values of an output that is not declared; without it there is none."""
        super().__init__(emits)
        self.other = other

    @staticmethod
    def of(pe: GenericPE) -> Emits:
        """Return those of a PE that is wired."""
        assert isinstance(pe._emit, Emits)
        return pe._emit

    def __missing__(self, output: str) -> Emit:
        if self.other is None:
            raise KeyError(output)
        emit = self[output] = self.other(output)
        return emit

    def wrapped(self, wrap: Callable[[str, Emit], Emit]) -> Emits:
        """Return outputs whose values go through something else first."""
        other = self.other
        return Emits(
            {output: wrap(output, emit) for output, emit in self.items()},
            None if other is None else lambda output: wrap(output, other(output)),
        )

    def replace(self, emit: Emit) -> None:
        """Let one thing take the values of all outputs."""
        self.update(dict.fromkeys(self, emit))
        if self.other is not None:
            self.other = lambda _output: emit
