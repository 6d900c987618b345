# SPDX-License-Identifier: Apache-2.0
"""One cell at a time: what the real machine does next, run once for each of its states and remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from desk import Parts
from heir import Heir, Neighbour, Will
from keys import Key, key
from rules import NeedChoice, Part, Rules, Violation
from shell import Effect, Shell
from systems import System

from d4py.engine.estate import Estate
from d4py.items import Frame

Outcome = tuple[int, Effect | None]


class Numbers:
    """Numbers for values, and values for numbers."""

    def __init__(self, first: Any = None) -> None:
        self.values: list[Any] = []
        self.numbers: dict[Key, int] = {}
        if first is not None:
            self.of(first, first)

    def of(self, name: Key, value: Any) -> int:
        """Return the number of a value, by its key."""
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = len(self.values)
            self.values.append(value)
        return number


class About(NamedTuple):
    """What the world asks about a cell's state."""

    alive: bool
    generation: int
    polls: bool
    top: bool
    finished: bool
    lost: bool
    away: frozenset[int] = frozenset()  # neighbours that are dead, as it knows


class Dead(NamedTuple):
    """A cell that crashed. out: what it had appended to its spool, where that matters."""

    place: int
    generation: int
    out: tuple[tuple[int, tuple[int, ...]], ...] = ()
    will: Will | None = None  # of a cell that can be replaced alone


class Cells:
    """The states of all cells of a system, by number."""

    def __init__(self, system: System, rules: Rules, parts: Parts) -> None:
        self.system, self.rules, self.parts = system, rules, parts
        self.shells, self.sheets = Numbers(), Numbers()
        self.about: list[About] = []
        self.remembered: dict[tuple[Any, ...], list[Outcome] | Violation] = {}

    def shell(self, shell: Shell) -> int:
        """Return the number of a cell's state."""
        number = self.shells.of(shell.key(), shell)
        if number == len(self.about):
            away = shell.away if isinstance(shell, Neighbour) else frozenset()
            about = About(True, shell.generation, shell.polls, shell.top, shell.machine.finished, shell.lost, away)
            self.about.append(about)
        return number

    def dead(self, place: int, cell: int, *, kept: int | None = None) -> int:
        """Return the number of a cell that is dead. kept: how much of its spool outlives it."""
        shell = self.shells.values[cell]
        out = () if self.rules.truncates else tuple(sorted(shell.out.items()))
        will = shell.will(kept) if isinstance(shell, Heir) else None
        value = Dead(place, self.about[cell].generation, out, will)
        number = self.shells.of(value, value)
        if number == len(self.about):
            self.about.append(About(False, value.generation, False, False, False, False))
        return number

    def step(self, cell: int) -> list[Outcome]:
        """Return what a cell can do by itself."""
        return self._local(("step", cell), cell, None, True)

    def take(self, cell: int, sheet: int) -> list[Outcome]:
        """Return what comes of a frame that arrives; unless every interleaving counts, the cell goes on at once."""
        frame = self.sheets.values[sheet]
        go_on = not self.system.free and self.about[cell].top
        return self._local(("take", cell, sheet), cell, lambda shell: shell.arrive(frame), go_on)

    def credit(self, cell: int, channel: int, number: int, credit: int) -> int:
        """Return a cell to which an acknowledgement has come."""
        return self._local(
            ("credit", cell, channel, number, credit),
            cell,
            lambda shell: shell.acknowledge(channel, number, credit),
            False,
        )[0][0]

    def ask(self, cell: int, epoch: int) -> int:
        """Return a source that was asked for a barrier."""
        return self._local(("ask", cell, epoch), cell, lambda shell: shell.ask(epoch), False)[0][0]

    def waits(self, cell: int) -> bool:
        """Whether a cell has nothing to do before something comes."""
        return self.about[cell].top and not self.step(cell)

    def _local(
        self, name: tuple[Any, ...], cell: int, change: Callable[[Any], Effect | None] | None, go_on: bool
    ) -> list[Outcome]:
        found = self.remembered.get(name)
        if found is None:
            try:
                found = self._run(cell, change, go_on)
            except Violation as violation:
                found = violation
            self.remembered[name] = found
        if isinstance(found, Violation):
            raise found
        return found

    def _run(self, cell: int, change: Callable[[Any], Effect | None] | None, go_on: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        pending: list[tuple[bool, ...]] = [()]
        while pending:
            choices = pending.pop()
            shell: Shell = self.shells.values[cell].clone()
            try:
                effect = change(shell) if change else None
                if effect is None and go_on:
                    effect = shell.step(choices)
            except NeedChoice:
                pending += [(*choices, True), (*choices, False)]
                continue
            number = self.shell(shell)
            if change or effect or number != cell:
                outcomes.append((number, self._numbered(effect)))
        return outcomes

    def _numbered(self, effect: Effect | None) -> Effect | None:
        if effect is not None and effect[0] == "send":
            return ("send", effect[1].channel, self.sheet(effect[1]))
        if effect is not None and effect[0] == "tell":
            return ("tell", self.parts.keep(effect[1]))
        if effect is not None and effect[0] == "joins":
            return ("joins", tuple([(frame.channel, self.sheet(frame)) for frame in effect[1]]), effect[2])
        return effect

    def sheet(self, frame: Frame) -> int:
        """Return the number of a frame."""
        return self.sheets.of(key(frame), frame)

    def hear(self, cell: int, epoch: int) -> int:
        """Return a cell that was told of a commit."""
        return self._local(("hear", cell, epoch), cell, lambda shell: shell.hear(epoch), False)[0][0]

    def begin(self, place: int, generation: int, part: Part | None, epoch: int, before: int | None) -> int:
        """Return a cell that begins from its part of the commit of an epoch. before: what it was in an older generation."""
        shell = self._kind(place)(self.rules, self.system, self.system.places[place], generation, part, epoch)
        if before is not None and not self.rules.truncates:
            shell.out = dict(self.shells.values[before].out)
        return self.shell(shell)

    def _kind(self, place: int) -> type[Shell]:
        if not self.system.alone:
            return self.rules.shell or Shell
        if self.system.places[place].pe.replaceable:
            return self.rules.heir or Heir
        return self.rules.neighbour or Neighbour

    def succeed(self, dead: int, part: Part | None, epoch: int, estate: Estate) -> int:
        """Return a cell that takes the place of a dead one."""
        place, generation, _, will = self.shells.values[dead]
        kind = self.rules.heir or Heir
        shell = kind(self.rules, self.system, self.system.places[place], generation, part, epoch, estate, will)
        return self.shell(shell)

    def lose(
        self, cell: int, dead: int, frames: tuple[int, ...], acks: tuple[tuple[int, int, int], ...]
    ) -> list[Outcome]:
        """Return a cell that has taken in all that a dead neighbour sent, and what it says of it. acks: channel, number, credit."""
        came = [self.sheets.values[sheet] for sheet in frames]
        return self._local(("lose", cell, dead, frames, acks), cell, lambda shell: shell.lose(dead, came, acks), False)

    def join(self, cell: int, dead: int) -> list[Outcome]:
        """Return a cell that has met the successor of a neighbour, and what it sends to it."""
        return self._local(("join", cell, dead), cell, lambda shell: shell.join(dead), False)
