# SPDX-License-Identifier: Apache-2.0
"""The moves of a system whose stateless cells are replaced alone."""

from __future__ import annotations

from itertools import product
from typing import Any

from heir import Heir
from mourning import Mourning
from network import Label, State, Trouble
from rules import Rules, Violation
from shell import Effect
from systems import System
from world import Move, World

from d4py.engine.estate import Estate


class Succeeding(World):
    """Neighbours report when they next look at what came in, and all else goes on; so it does while a successor begins."""

    desk_kind = Mourning

    def __init__(self, system: System, rules: Rules | None = None) -> None:
        super().__init__(system, rules)
        self.late_acks = True  # a cell that has ended says what was acknowledged

    def send(self, before: State, after: list[int], effect: Effect) -> None:
        """Send a frame to the reader of a channel; where that is dead, or not met yet, the writer keeps it."""
        writer, reader = self.system.channels[effect[1]]
        there, own = self.about[before[reader]], self.about[after[writer]]
        if (there.alive or there.generation < own.generation) and reader not in own.away:
            super().send(before, after, effect)

    def bear(self, after: list[int], cell: int, estate: Estate) -> None:
        """Let a cell begin in the place of one that died."""
        desk: Mourning = self.desks.values[after[self.desk]]
        will = self.shells.values[after[cell]].will
        again = sum(number >= estate.heads[channel] for channel, numbers in will.begun for number in numbers)
        if again > 1:
            raise Violation(f"{self.system.places[cell].name} had begun {again} frames that are not acknowledged.")
        part = self.parts.of(desk.start).get(cell)
        epoch = desk.start.epoch if desk.start else 0
        after[cell] = self.cells.succeed(after[cell], part, epoch, estate)
        place = self.system.places[cell]
        on_the_way = [self.frames + channel for channel in (*place.inlets, *place.outlets)]
        on_the_way += [self.acks + channel for channel in (*place.inlets, *place.outlets)]
        if any(after[index] for index in on_the_way):
            raise Violation(
                f"Something is on the way to {place.name} that its predecessor's neighbours have not taken in."
            )

    def kill(self, after: list[int], cell: int) -> None:
        """End a cell; what was on the way to it is gone."""
        super().kill(after, cell)
        for channel in self.system.places[cell].inlets:
            after[self.frames + channel] = 0

    def _notices(self, moves: list[Move], state: State, cell: int) -> None:
        desk: Mourning = self.desks.values[state[self.desk]]
        if cell not in desk.vacant and not state[self.tells + cell]:
            event = ("gone", cell) if not desk.ending else ("died",)
            self._desk(moves, state, ("notices", cell), event)

    def _takes(self, moves: list[Move], state: State, channel: int, cell: int, sheet: int) -> None:
        if self.system.channels[channel][0] not in self.about[state[cell]].away:
            super()._takes(moves, state, channel, cell, sheet)

    def _asked(self, moves: list[Move], state: State, cell: int) -> None:
        _, other, kind = self.head(state, self.asks + cell)
        if kind not in {"bereft", "join"}:
            super()._asked(moves, state, cell)
            return
        after = list(state)
        self.drop(after, self.asks + cell)
        self.now = ("loses sight", cell, other) if kind == "bereft" else ("meets", cell, other)
        if kind == "join":
            ((number, effect),) = self.cells.join(state[cell], other)
            assert effect is not None
            after[cell] = number
            if not self.about[after[other]].alive:
                effect = ("joins", (), ())  # dead again
            self._resend(after, effect)
            moves.append((self.now, tuple(after), False))
            return
        shared = [channel for channel, ends in enumerate(self.system.channels) if set(ends) == {cell, other}]
        frames: list[int] = []
        acks: list[tuple[int, int, int]] = []
        for channel in shared:
            if self.system.channels[channel][0] == other:
                frames += self.queues.values[after[self.frames + channel]]
                after[self.frames + channel] = 0
            else:
                acks += [(channel, *ack[1:]) for ack in self.queues.values[after[self.acks + channel]]]
                after[self.acks + channel] = 0
        for number, effect in self.cells.lose(state[cell], other, tuple(frames), tuple(acks)):
            self._after(moves, tuple(after), cell, number, effect, self.now)

    def _resend(self, after: list[int], effect: Effect) -> None:
        """Put on the way what a successor gets at once."""
        for channel, sheet in effect[1]:
            self.check_send(tuple(after), channel, self.sheets.values[sheet])
            self.put(after, self.frames + channel, sheet)
        for channel, number, credit in effect[2]:
            generation = self.about[after[self.system.channels[channel][1]]].generation
            self.put(after, self.acks + channel, (generation, number, credit))

    def _crash(self, moves: list[Move], state: State, cell: int, generation: int) -> None:
        """Add the deaths of a cell: with it goes what it had handed to no one yet, any part of it on each channel."""
        trouble: Trouble = self.troubles.values[state[self.trouble]]
        about = self.about[state[cell]]
        shell: Any = self.shells.values[state[cell]]
        if not isinstance(shell, Heir):
            super()._crash(moves, state, cell, generation)
            return
        if not trouble.crashes or not about.alive or about.generation != generation:
            return
        there = {channel: len(self.queues.values[state[self.frames + channel]]) for channel in shell.room.waiting}
        most = [min(number, there[channel]) for channel, number in shell.room.waiting.items()]
        spool = shell.room.outputs
        for lost in product(*[range(number + 1) for number in most]):
            for records in sorted({spool.flushed, len(spool.records)}):
                after = list(self.less(state, crashes=trouble.crashes - 1))
                for channel, number in zip(shell.room.waiting, lost, strict=True):
                    queue = self.queues.values[after[self.frames + channel]]
                    queue = queue[: len(queue) - number]
                    after[self.frames + channel] = self.queues.of(queue, queue)
                self.kill(after, cell)
                after[cell] = self.cells.dead(cell, state[cell], kept=records)
                label: Label = ("crashes", cell, sum(lost))
                moves.append((label, tuple(after), True))
