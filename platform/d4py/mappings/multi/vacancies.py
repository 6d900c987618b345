# SPDX-License-Identifier: Apache-2.0
"""Workers that died and are to be replaced alone: which may be, and what their neighbours have said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.engine.estate import Estate
from d4py.engine.heirs import Heirs

if TYPE_CHECKING:
    from collections.abc import Collection

    from d4py.engine.coordinator import Coordinator
    from d4py.engine.link import Standing
    from d4py.plan import Plan


class Vacancies:
    """Of one generation."""

    def __init__(self, plan: Plan, replaceable: Collection[int]) -> None:
        self._plan = plan
        self._places = [cell.process for cell in plan.cells]
        pairs = [(self._places[channel.writer_cell], self._places[channel.reader_cell]) for channel in plan.channels]
        self.heirs = Heirs(replaceable, pairs)
        self.attempts: dict[int, int] = {}
        self._awaited: dict[int, set[int]] = {}  # by the dead: cells that have yet to report
        self._said: dict[int, list[Estate]] = {}

    def may(self, dead: Collection[int], coordinator: Coordinator) -> bool:
        """Whether these can be replaced while all else goes on."""
        over = any(cell.index in coordinator.finals for process in dead for cell in self._plan.cells_of(process))
        last = coordinator.last.epoch if coordinator.last else 0
        return not over and not coordinator.over and self.heirs.may(dead, self._awaited, last)

    def open(self, dead: int, coordinator: Coordinator) -> list[int]:
        """A worker is to be replaced; return its neighbours, who are to be asked."""
        self.heirs.replaced(dead, coordinator.newest)
        peers = sorted(self.heirs.neighbours[dead])
        self._awaited[dead] = {
            cell
            for channel in self._plan.channels
            for cell, other in (
                (channel.writer_cell, channel.reader_cell),
                (channel.reader_cell, channel.writer_cell),
            )
            if self._places[other] == dead
        }
        self._said[dead] = []
        return peers

    def hear(self, standing: Standing) -> dict[int, Estate] | None:
        """Take in what a cell reports; return the estates, by cell, when it was the last."""
        dead = standing.dead
        if standing.cell not in self._awaited.get(dead, ()):
            return None
        self._awaited[dead].discard(standing.cell)
        self._said[dead].append(standing.estate)
        if self._awaited[dead]:
            return None
        del self._awaited[dead]
        said = self._said.pop(dead)
        self.attempts[dead] = self.attempts.get(dead, 1) + 1
        channels = self._plan.channels
        return {
            cell.index: Estate(
                tuple(s for estate in said for s in estate.supplies if channels[s.channel].reader_cell == cell.index),
                tuple(d for estate in said for d in estate.demands if channels[d.channel].writer_cell == cell.index),
            )
            for cell in self._plan.cells_of(dead)
        }

    def attempt(self, process: int) -> int:
        """Return which worker of its kind is at work, or due."""
        return self.attempts.get(process, 1)
