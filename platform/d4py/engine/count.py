# SPDX-License-Identifier: Apache-2.0
"""What one instance has read and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d4py.graph.pe import GenericPE


@dataclass(slots=True)
class Tally:
    """A count that closures share."""

    n: int = 0


@dataclass(slots=True)
class Count:
    """What one instance has read on each input, written on each output, was given, and had put into quarantine."""

    read: dict[str, Tally]
    written: dict[str, Tally]
    given: dict[str, Tally]
    quarantined: Tally

    @classmethod
    def of(cls, pe: GenericPE) -> Count:
        """Return zeros for each port of a PE."""
        inputs, outputs = pe.inputconnections, pe.outputconnections
        return cls(
            {name: Tally() for name in inputs},
            {name: Tally() for name in outputs},
            {name: Tally() for name in inputs},
            Tally(),
        )

    def tallies(self) -> list[Tally]:
        """Return all counts, in an order that depends on the PE alone."""
        return [*self.read.values(), *self.written.values(), *self.given.values(), self.quarantined]

    def totals(self) -> tuple[int, int, int]:
        """Return items read, written and in quarantine."""
        return (
            sum([tally.n for tally in self.read.values()]),
            sum([tally.n for tally in self.written.values()]),
            self.quarantined.n,
        )

    def to_json(self) -> dict[str, dict[str, int]]:
        """Return plain data for a part."""
        return {
            "read": {name: tally.n for name, tally in self.read.items()},
            "written": {name: tally.n for name, tally in self.written.items()},
            "given": {name: tally.n for name, tally in self.given.items()},
            "quarantined": {"": self.quarantined.n},
        }

    def restore(self, data: Mapping[str, Mapping[str, int]]) -> None:
        """Take back what `to_json` gave."""
        for mine, kept in ((self.read, data["read"]), (self.written, data["written"]), (self.given, data["given"])):
            for name, number in kept.items():
                mine.setdefault(name, Tally()).n = number
        self.quarantined.n = data["quarantined"][""]
