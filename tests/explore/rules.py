# SPDX-License-Identifier: Apache-2.0
"""Which engine is explored, what a mapping adds to it, and what a checkpoint keeps of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from committing import Held

from d4py.engine.cell import CellMachine, Counters
from d4py.engine.coordinator import Coordinator
from d4py.engine.inlet import Inlet
from d4py.engine.outlet import Lane, Outlet
from d4py.engine.sinks import Sinks
from d4py.engine.succession import Succession
from d4py.mappings.multi.vacancies import Vacancies

if TYPE_CHECKING:
    from heir import Heir, Neighbour
    from shell import Shell


class Violation(Exception):
    """What must never be is."""


class NeedChoice(Exception):
    """The clock decides here: both ways are to be explored."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a checkpoint keeps of one cell here."""

    generation: int
    cell: int
    epoch: int
    counters: Counters
    seen: dict[int, tuple[int, ...]] | None  # per channel; None at the end
    position: int | None  # whole writes of a source
    out: dict[int, tuple[int, ...]]  # how far the spooled outputs reach
    held: Held = ()  # by a sink that commits
    counts: tuple[int, ...] = ()  # items read and written, where a cell can be replaced alone

    @property
    def final(self) -> bool:
        """Whether the cell had ended."""
        return self.counters.finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The engine under test, and what a mapping adds to it. A defect is another class, or another answer, in one of them."""

    machine: type[CellMachine] = CellMachine
    inlet: type[Inlet] = Inlet
    outlet: type[Outlet] = Outlet
    lane: type[Lane] = Lane
    coordinator: type[Coordinator] = Coordinator
    sinks: type[Sinks] = Sinks
    shell: type[Shell] | None = None
    neighbour: type[Neighbour] | None = None
    heir: type[Heir] | None = None
    succession: type[Succession] = Succession
    vacancies: type[Vacancies] = Vacancies
    judged: bool = True  # whether a cell is replaced exactly when that is due
    newer: str = "waits"  # what a mapping does with a frame of a generation that its reader is not in yet: it "waits", is "dropped" or "taken"
    acks_checked: bool = True  # an acknowledgement of an older generation is dropped
    asks_checked: bool = True  # and so is a coordinator's request
    truncates: bool = True  # outputs beyond what the commit reaches do not count
    durable_first: bool = True  # a commit is durable before the coordinator goes by it
    sinks_wait: bool = True  # and before sinks hear of it
    tells_again: bool = True  # sinks hear of the commit that a generation begins from
    last_counts: bool = True  # the run ends when sinks have let go what the last commit covers, not an older one
