# SPDX-License-Identifier: Apache-2.0
"""Everything at once: cells, the network between them, the coordinator and its disk, and what may go wrong: every move there is."""

from __future__ import annotations

from typing import Any

from desk import Desk
from network import ENDED, Label, Network, State, Trouble
from rules import Violation
from shell import Effect

from d4py.items import Frame, Kind

Move = tuple[Label, State, bool]  # what happens, what is then, whether it is trouble that need not come


class World(Network):
    """The moves of a system."""

    def successors(self, state: State) -> list[Move]:
        """Return every move. Raises Violation, and `now` says at which."""
        if state == ENDED:
            return []
        desk: Desk = self.desks.values[state[self.desk]]
        if desk.outcome == "suspended":
            return self._restarted(state, ("resumes",))
        if not self.system.free:
            only = self._only(state, desk.generation)
            if only is not None:
                return only
        moves: list[Move] = []
        for cell in range(self.n):
            self._cell(moves, state, cell, desk.generation)
        self._coordinator(moves, state, desk)
        self._troubles(moves, state, desk)
        return moves

    def _only(self, state: State, generation: int) -> list[Move] | None:
        """Return the moves of one cell where no other can matter to them or be mattered to by them; crashes still can."""
        for cell in range(self.n):
            number = state[cell]
            about = self.about[number]
            if not about.alive or about.lost or (about.generation < generation and not self.system.zombies):
                continue
            moves: list[Move] = []
            if not about.polls:
                self._steps(moves, state, cell)
                if cell in self.mortal:
                    self._crash(moves, state, cell, generation)
                if about.generation < generation:
                    self._begin(moves, state, cell, generation)
                return moves
            place = self.system.places[cell]
            for channel in place.inlets:
                if state[self.frames + channel]:
                    sheet = self.head(state, self.frames + channel)
                    if self.sheets.values[sheet].generation < about.generation:
                        self._takes(moves, state, channel, cell, sheet)
                        return moves
            if not self.free_acks and not place.chooses:
                for channel in place.outlets:
                    if state[self.acks + channel]:
                        self._acknowledged(moves, state, channel, cell)
                        return moves
        return self._only_heard(state)

    def _only_heard(self, state: State) -> list[Move] | None:
        """Return the move in which the coordinator hears something that makes it do nothing yet."""
        trouble: Trouble = self.troubles.values[state[self.trouble]]
        for cell in range(self.n):
            if state[self.tells + cell]:
                moves: list[Move] = []
                self._hears(moves, state, cell)
                after = moves[0][1]
                if after == ENDED or any(after[index] != state[index] for index in range(self.asks, self.desk)):
                    continue
                before, then = self.desks.values[state[self.desk]], self.desks.values[after[self.desk]]
                same = (before.generation, before.writing, before.coordinator.committing is None) == (
                    then.generation,
                    then.writing,
                    then.coordinator.committing is None,
                )
                if same and (self.system.places[cell].pe.kind != "source" or not (trouble.epochs or trouble.suspends)):
                    return moves
        return None

    def _cell(self, moves: list[Move], state: State, cell: int, generation: int) -> None:
        number = state[cell]
        about = self.about[number]
        if about.generation < generation:
            self._begin(moves, state, cell, generation)
            if not self.system.zombies:
                return
        if not about.alive:
            if about.generation == generation:
                self._notices(moves, state, cell)
            return
        if about.lost:
            return
        self._steps(moves, state, cell)
        if not about.polls:
            return
        place = self.system.places[cell]
        for channel in place.inlets:
            if state[self.frames + channel] and (self.system.free or about.finished or self.cells.waits(number)):
                self._takes(moves, state, channel, cell, self.head(state, self.frames + channel))
        for channel in place.outlets:
            if state[self.acks + channel]:
                self._acknowledged(moves, state, channel, cell)
        if state[self.asks + cell]:
            self._asked(moves, state, cell)

    def _notices(self, moves: list[Move], state: State, cell: int) -> None:
        self._desk(moves, state, ("notices", cell), ("died",))

    def _steps(self, moves: list[Move], state: State, cell: int) -> None:
        self.now = ("steps", cell)
        for number, effect in self.cells.step(state[cell]):
            self._after(moves, state, cell, number, effect, ("does", cell, effect))

    def _takes(self, moves: list[Move], state: State, channel: int, cell: int, sheet: int) -> None:
        frame: Frame = self.sheets.values[sheet]
        about = self.about[state[cell]]
        self.now = ("takes", cell, sheet)
        after = list(state)
        if frame.generation > about.generation and self.rules.newer != "taken":
            if self.rules.newer == "dropped":
                self.drop(after, self.frames + channel)
                moves.append((("drops", cell, sheet), tuple(after), False))
            return
        self.drop(after, self.frames + channel)
        rest = tuple(after)
        for number, effect in self.cells.take(state[cell], sheet):
            self._after(moves, rest, cell, number, effect, ("takes", cell, sheet, effect))
        trouble: Trouble = self.troubles.values[state[self.trouble]]
        if trouble.copies:
            kept = trouble._replace(copies=trouble.copies - 1, copy=(channel, sheet))
            again = (*rest[:-1], self.troubles.of(kept, kept))
            for number, effect in self.cells.take(state[cell], sheet):
                self._after(moves, again, cell, number, effect, ("copies", cell, sheet, effect), trouble=True)
        if trouble.faults and frame.generation == about.generation:
            self._harm(moves, rest, channel, cell, frame)

    def _harm(self, moves: list[Move], rest: State, channel: int, cell: int, frame: Frame) -> None:
        trouble: Trouble = self.troubles.values[rest[self.trouble]]
        kept = trouble._replace(faults=0)
        harmed = (*rest[:-1], self.troubles.of(kept, kept))
        if self.system.fault == "lose":
            behind = self.queues.values[rest[self.frames + channel]]
            if behind and self.sheets.values[behind[0]].generation == frame.generation:
                moves.append((("loses", cell, self.cells.sheet(frame)), harmed, True))
        elif frame.kind is Kind.DATA:
            empty = Frame(frame.generation, frame.channel, frame.number, frame.first, frame.kind, [])
            for number, effect in self.cells.take(rest[cell], self.cells.sheet(empty)):
                self._after(
                    moves,
                    harmed,
                    cell,
                    number,
                    effect,
                    ("empties", cell, self.cells.sheet(frame), effect),
                    trouble=True,
                )

    def _acknowledged(self, moves: list[Move], state: State, channel: int, cell: int) -> None:
        generation, number, credit = self.head(state, self.acks + channel)
        self.now = ("credit", cell, channel, number, credit)
        after = list(state)
        self.drop(after, self.acks + channel)
        about = self.about[state[cell]]
        if (generation == about.generation or not self.rules.acks_checked) and (self.late_acks or not about.finished):
            after[cell] = self.cells.credit(state[cell], channel, number, credit)
        moves.append((self.now, tuple(after), False))

    def _asked(self, moves: list[Move], state: State, cell: int) -> None:
        generation, epoch, kind = self.head(state, self.asks + cell)
        about = self.about[state[cell]]
        if generation > about.generation:
            return
        self.now = ("asked" if kind == "barrier" else "told of", cell, epoch)
        after = list(state)
        self.drop(after, self.asks + cell)
        if kind == "commit":
            after[cell] = self.cells.hear(state[cell], epoch)
        elif (generation == about.generation or not self.rules.asks_checked) and not about.finished:
            after[cell] = self.cells.ask(state[cell], epoch)
        moves.append((self.now, tuple(after), False))

    def _after(
        self,
        moves: list[Move],
        state: State,
        cell: int,
        number: int,
        effect: Effect | None,
        label: Label,
        *,
        trouble: bool = False,
    ) -> None:
        """Add the move of a cell to a new state, with what others see of it."""
        after = list(state)
        after[cell] = number
        self.now = label
        if effect is not None:
            if effect[0] == "send":
                self.send(state, after, effect)
            elif effect[0] == "ack":
                self.acknowledge(after, cell, effect)
            elif effect[0] == "tell":
                self.put(after, self.tells + cell, ("part", effect[1]))
            elif effect[0] == "appears":
                self.check_appears(state, cell, effect[1])
                self.appear(after, cell, effect[1])
            elif effect[0] == "released":
                self.put(after, self.tells + cell, ("released", cell, effect[1]))
            elif effect[0] == "lost":
                if not self.system.fault or self.troubles.values[state[self.trouble]].faults:
                    raise Violation(
                        f"{self.system.places[cell].name} asks for a rewind though nothing was lost: {effect[1]}"
                    )
                self.put(after, self.tells + cell, ("lost", self.about[number].generation))
            elif effect[0] == "dies":
                self.kill(after, cell)
            elif effect[0] == "standing":
                self.put(after, self.tells + cell, effect)
        moves.append((label, tuple(after), trouble))

    def _desk(
        self, moves: list[Move], state: State, label: Label, event: tuple[Any, ...], *, trouble: bool = False
    ) -> None:
        """Add a move of the coordinator."""
        self.now = label
        name = (state[self.desk], event)
        found = self.heard.get(name)
        if found is None:
            try:
                desk = self.desks.values[state[self.desk]].clone()
                desk.handle(event)
                found = (self.desks.of(desk.key(), desk), desk.asks, desk.births)
            except Violation as violation:
                found = violation
            self.heard[name] = found
        if isinstance(found, Violation):
            raise found
        number, asks, births = found
        after = list(state)
        after[self.desk] = number
        if (
            not self.system.zombies
            and self.desks.values[number].generation > self.desks.values[state[self.desk]].generation
        ):
            self.clear(after)
        for cell, estate in births:
            self.bear(after, cell, estate)
        for cell, generation, epoch, kind in asks:
            self.put(after, self.asks + cell, (generation, epoch, kind))
        moves.append((label, self._ended(tuple(after), self.desks.values[number]), trouble))

    def _ended(self, state: State, desk: Desk) -> State:
        if desk.outcome == "failed" and self.system.poison < 0:
            raise Violation(f"The run failed: {desk.reason}")
        if desk.outcome == "complete" and self.system.poison >= 0:
            raise Violation("The run is complete without the item that kills.")
        if desk.outcome == "complete":
            for cell in desk.sinks:
                self.check_appeared(state, cell, desk.epoch)
        return ENDED if desk.outcome in {"complete", "failed"} else state

    def _coordinator(self, moves: list[Move], state: State, desk: Desk) -> None:
        for cell in range(self.n):
            if state[self.tells + cell]:
                self._hears(moves, state, cell)
        if desk.writing:
            self._desk(moves, state, ("writes", desk.writing[0]), ("write",))
        if desk.written:
            self._desk(moves, state, ("told", desk.written[0]), ("committed",))

    def _hears(self, moves: list[Move], state: State, cell: int) -> None:
        letter = self.head(state, self.tells + cell)
        self.now = ("hears", cell, letter)
        if letter[0] == "released":
            self.check_appeared(state, cell, letter[2])
        after = list(state)
        self.drop(after, self.tells + cell)
        self._desk(moves, tuple(after), ("hears", cell, letter), letter)

    def _troubles(self, moves: list[Move], state: State, desk: Desk) -> None:
        trouble: Trouble = self.troubles.values[state[self.trouble]]
        if trouble.epochs:
            self._desk(moves, self.less(state, epochs=trouble.epochs - 1), ("checkpoint",), ("due",), trouble=True)
        if trouble.suspends:
            self._desk(
                moves, self.less(state, suspends=trouble.suspends - 1), ("suspends",), ("suspend",), trouble=True
            )
        for cell in self.mortal:
            self._crash(moves, state, cell, desk.generation)
        if trouble.coordinator:
            moves.extend(
                self._restarted(self.less(state, coordinator=trouble.coordinator - 1), ("falls",), trouble=True)
            )
        if trouble.copy is not None:
            channel, sheet = trouble.copy
            cell = self.system.channels[channel][1]
            about = self.about[state[cell]]
            if (
                about.alive
                and about.polls
                and not about.lost
                and self.sheets.values[sheet].generation <= about.generation
            ):
                self.now = ("again", cell, sheet)
                gone = self.less(state, copy=None)
                for number, effect in self.cells.take(state[cell], sheet):
                    self._after(moves, gone, cell, number, effect, self.now, trouble=True)

    def _crash(self, moves: list[Move], state: State, cell: int, generation: int) -> None:
        trouble: Trouble = self.troubles.values[state[self.trouble]]
        about = self.about[state[cell]]
        if trouble.crashes and about.alive and about.generation == generation:
            after = list(self.less(state, crashes=trouble.crashes - 1))
            self.kill(after, cell)
            moves.append((("crashes", cell), tuple(after), True))

    def _begin(self, moves: list[Move], state: State, cell: int, generation: int) -> None:
        """Add the move of a cell into the present generation."""
        place = self.system.places[cell]
        desk: Desk = self.desks.values[state[self.desk]]
        self.now = ("begins", cell, generation)
        after = list(state)
        part = self.parts.of(desk.start).get(cell)
        epoch = desk.start.epoch if desk.start else 0
        after[cell] = self.cells.begin(cell, generation, part, epoch, state[cell])
        if self.rules.acks_checked:
            for channel in place.outlets:
                after[self.acks + channel] = 0
        if self.rules.asks_checked:
            kept = tuple(ask for ask in self.queues.values[state[self.asks + cell]] if ask[0] >= generation)
            after[self.asks + cell] = self.queues.of(kept, kept)
        moves.append((self.now, tuple(after), False))

    def _restarted(self, state: State, label: Label, *, trouble: bool = False) -> list[Move]:
        """Everything is gone but the disk."""
        after = list(state)
        self.clear(after)
        moves: list[Move] = []
        self._desk(moves, tuple(after), label, ("restart",), trouble=trouble)
        return moves
