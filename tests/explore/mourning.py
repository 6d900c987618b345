# SPDX-License-Identifier: Apache-2.0
"""The coordinator of a run whose stateless cells are replaced alone: the engine's own decisions on who may be, and another opinion on them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from desk import Desk, Parts
from keys import Key, key
from rules import Rules, Violation
from systems import System

from d4py.engine.coordinator import Commit
from d4py.engine.estate import Estate
from d4py.engine.link import Standing


class Mourning(Desk):
    """As a mapping's supervisor does that has each cell in a process of its own."""

    def __init__(self, system: System, rules: Rules, parts: Parts) -> None:
        plan: Any = SimpleNamespace(
            cells=[SimpleNamespace(index=place.index, process=place.index) for place in system.places],
            channels=[SimpleNamespace(writer_cell=writer, reader_cell=reader) for writer, reader in system.channels],
            cells_of=lambda process: [SimpleNamespace(index=process)],
        )
        self.plan = plan
        self.replaceable = [place.index for place in system.places if place.pe.replaceable]
        self.vacancies = rules.vacancies(self.plan, self.replaceable)
        self.since: dict[
            int, int
        ] = {}  # epoch that was the newest when a cell was replaced, until one is committed that began later
        super().__init__(system, rules, parts)

    def clone(self) -> Mourning:
        """Return a copy."""
        twin = super().clone()
        assert isinstance(twin, Mourning)
        twin.since = dict(self.since)
        twin.vacancies = object.__new__(type(self.vacancies))
        twin.vacancies.__dict__.update(self.vacancies.__dict__)
        heirs = object.__new__(type(self.vacancies.heirs))
        heirs.__dict__.update(self.vacancies.heirs.__dict__)
        heirs.__dict__["_since"] = dict(heirs.__dict__["_since"])
        said, awaited = self._said.items(), self._awaited.items()
        twin.vacancies.__dict__.update(
            heirs=heirs,
            attempts=dict(self.vacancies.attempts),
            _said={dead: list(estates) for dead, estates in said},
            _awaited={dead: set(cells) for dead, cells in awaited},
        )
        return twin

    def key(self) -> Key:
        """Return the key of this state."""
        awaited = tuple([(dead, tuple(sorted(cells))) for dead, cells in sorted(self._awaited.items())])
        said = tuple([(dead, frozenset(estates)) for dead, estates in sorted(self._said.items())])
        return (super().key(), key(self.since), key(self.vacancies.heirs.__dict__["_since"]), awaited, said)

    @property
    def vacant(self) -> frozenset[int]:
        """Cells that are being replaced."""
        return frozenset(self._awaited)

    @property
    def _awaited(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = self.vacancies.__dict__["_awaited"]
        return found

    @property
    def _said(self) -> dict[int, list[Estate]]:
        found: dict[int, list[Estate]] = self.vacancies.__dict__["_said"]
        return found

    def _gone(self, cell: int) -> None:
        """A cell is dead, and all that it told before was heard."""
        may = self.vacancies.may([cell], self.coordinator)
        neighbours = {one for ends in self.system.channels if cell in ends for one in ends} - {cell}
        fresh = {other for other in neighbours if other in self.vacant or other in self.since}
        over = self.coordinator.over or cell in self.coordinator.finals
        due = cell in self.replaceable and not fresh and not over
        if self.rules.judged and may != due:
            name = self.system.places[cell].name
            raise Violation(
                f"{name} is replaced alone, and may not be." if may else f"{name} is not replaced alone, and may be."
            )
        if not may:
            self._died()
            return
        self.since[cell] = self.coordinator.newest
        peers = self.vacancies.open(cell, self.coordinator)
        self.asks = tuple([(peer, self.generation, cell, "bereft") for peer in peers])

    def _standing(self, dead: int, cell: int, estate: Estate) -> None:
        estates = self.vacancies.hear(Standing(cell, dead, estate))
        if estates is not None:
            self.births = ((dead, estates[dead]),)
            peers = sorted(self.vacancies.heirs.neighbours[dead])
            self.asks = tuple([(peer, self.generation, dead, "join") for peer in peers])

    def _committed(self) -> None:
        commit = self.written[0]
        if commit.generation == self.generation:
            self.since = {cell: newest for cell, newest in self.since.items() if newest >= commit.epoch}
        super()._committed()

    def _begin(self, start: Commit | None) -> None:
        self.vacancies = self.rules.vacancies(self.plan, self.replaceable)
        self.since = {}
        super()._begin(start)
