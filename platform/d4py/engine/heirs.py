# SPDX-License-Identifier: Apache-2.0
"""Who may be replaced alone: it depends on who else is dead, or was replaced a short while ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Heirs:
    """Units that die as one (processes, or cells), in one generation."""

    def __init__(self, replaceable: Collection[int], pairs: Iterable[tuple[int, int]]) -> None:
        """pairs: units that a channel joins."""
        self.replaceable = frozenset(replaceable)
        self.neighbours: dict[int, frozenset[int]] = {}
        for one, other in pairs:
            if one != other:
                self.neighbours[one] = self.neighbours.get(one, frozenset()) | {other}
                self.neighbours[other] = self.neighbours.get(other, frozenset()) | {one}
        self._since: dict[int, int] = {}  # newest epoch when a unit was replaced last

    def may(self, dead: Collection[int], vacant: Collection[int], committed: int) -> bool:
        """Whether these dead can be replaced. vacant: others that are being replaced now. committed: epoch of the last commit.

        A neighbour that was replaced must have passed a checkpoint that began after: until then it does not know all that it had of this one.
        """
        gone = {*dead, *vacant}
        return all(
            unit in self.replaceable
            and unit not in vacant
            and not any(
                other in gone or committed <= self._since.get(other, -1) for other in self.neighbours.get(unit, ())
            )
            for unit in dead
        )

    def replaced(self, unit: int, newest: int) -> None:
        """Take note that a unit is replaced. newest: the last epoch that has begun."""
        self._since[unit] = newest
