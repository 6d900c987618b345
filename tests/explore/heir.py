# SPDX-License-Identifier: Apache-2.0
"""Cells in a run where stateless ones are replaced alone: those who may be, and their neighbours, who keep what is not acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from keys import Key, key
from room import Record, Room
from rules import Part, Rules
from shell import Effect, Op, Shell
from systems import FAREWELL, GREETING, Place, System, outputs

from d4py.engine.estate import END, Cause, Estate
from d4py.items import Frame


class Will(NamedTuple):
    """What outlives a cell that can be replaced alone."""

    words: tuple[int, ...]  # of its settlement
    records: tuple[Record, ...]  # in its spool
    begun: tuple[tuple[int, tuple[int, ...]], ...]  # by channel, the last two frames of which an item was run


class Neighbour(Shell):
    """A cell whose neighbours may be replaced."""

    def __init__(
        self, rules: Rules, system: System, place: Place, generation: int, part: Part | None, epoch: int
    ) -> None:
        super().__init__(rules, system, place, generation, part, epoch)
        self.kept: dict[int, tuple[Frame, ...]] = {}
        self.away: frozenset[int] = frozenset()  # who is dead, as this cell knows
        self.owed: dict[int, tuple[int, int]] = {}  # the last acknowledgement, by channel whose writer is away

    def clone(self) -> Neighbour:
        """Return a copy."""
        twin = super().clone()
        assert isinstance(twin, Neighbour)
        twin.kept, twin.owed = dict(self.kept), dict(self.owed)
        return twin

    def key(self) -> Key:
        """Return the key of this state."""
        return (super().key(), key(self.kept), tuple(sorted(self.away)), key(self.owed))

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """Take an acknowledgement in."""
        kept = self.kept.get(channel, ())
        self.kept[channel] = tuple([frame for frame in kept if frame.number > number])
        super().acknowledge(channel, number, credit)

    def lose(self, dead: int, frames: Sequence[Frame], acks: Sequence[tuple[int, int, int]]) -> Effect:
        """Take in all that a dead neighbour sent, and say how far this cell has come with it."""
        for frame in frames:
            lost = self.arrive(frame)
            if lost is not None:
                return lost
        for ack in acks:
            self.acknowledge(*ack)
        self.away |= {dead}
        shared = [channel for channel, ends in enumerate(self.system.channels) if dead in ends]
        return ("standing", dead, self.place.index, self.machine.standing(shared))

    def join(self, dead: int) -> Effect:
        """Meet the successor of a neighbour: it gets what was not acknowledged, and the last acknowledgements."""
        self.away -= {dead}
        channels = self.system.channels
        frames = [
            frame
            for channel in self.place.outlets
            if channels[channel][1] == dead
            for frame in self.kept.get(channel, ())
        ]
        owed = [channel for channel in self.owed if channels[channel][0] == dead]
        return ("joins", tuple(frames), tuple([(channel, *self.owed.pop(channel)) for channel in owed]))

    def _do(self, op: Op) -> Effect | None:
        effect = super()._do(op)
        if effect is not None and effect[0] == "ack" and self.system.channels[effect[1]][0] in self.away:
            self.owed[effect[1]] = effect[2:]
            return ("owes",)
        return effect

    def _do_send(self, frame: Frame) -> Effect:
        if self.system.places[self.system.channels[frame.channel][1]].pe.replaceable:
            self.kept[frame.channel] = (*self.kept.get(frame.channel, ()), frame)
        return super()._do_send(frame)


class Heir(Neighbour):
    """A cell that can be replaced alone, or one that takes its place."""

    def __init__(
        self,
        rules: Rules,
        system: System,
        place: Place,
        generation: int,
        part: Part | None,
        epoch: int,
        estate: Estate | None = None,
        will: Will | None = None,
    ) -> None:
        super().__init__(rules, system, place, generation, part, epoch)
        records = [(channel, value) for channel, values in self.out.items() for value in values]
        self.room = Room(self.lanes, will.words if will else None, will.records if will else records)
        room: Any = self.room  # stands for all that a succession knows of its cell
        self.succession = rules.succession(room, room, room, room, generation, estate)
        self.begun: dict[int, tuple[int, ...]] = {}
        if estate is not None:
            self.machine.inherit(estate)
            for lane in self.lanes:
                lane.refresh()
        if self.machine.finished:
            return
        first = self.succession.begin() and part is None
        if part is not None:
            self.room.restore(part.counts)
        self.ops = (
            (*self.write(GREETING), ("flush",), ("ready",)) if first and place.pe.kind == "greets" else (("ready",),)
        )
        if len(self.ops) == 1:
            self._do(self.ops[0])  # nobody sees it
        else:
            self.room.written.n += len(place.routes)

    def clone(self) -> Heir:
        """Return a copy."""
        twin = super().clone()
        assert isinstance(twin, Heir)
        twin.begun = dict(self.begun)
        twin.room, twin.succession = self.room.clone(twin.lanes, twin.generation, self.succession)
        return twin

    def key(self) -> Key:
        """Return the key of this state."""
        return (super().key(), self.room.key(), key(self.begun), key(self.succession.__dict__["_settled"]))

    def will(self, records: int | None) -> Will:
        """Return what outlives this cell. records: how many of its spool, if not all."""
        return Will(
            tuple(self.room.ledger), tuple(self.room.outputs.records[:records]), tuple(sorted(self.begun.items()))
        )

    def run(self, frame: Frame) -> tuple[Op, ...]:
        """Return the operations for a data frame."""
        *before, _ = super().run(frame)
        return (("cause", (frame.channel, frame.number)), *before, ("settle", frame))

    def barrier(self, epoch: int) -> tuple[Op, ...]:
        """Return the operations for a barrier."""
        return (("flush",), ("barriers", epoch), ("drain",), ("hand", epoch), ("taken",))

    def end(self) -> tuple[Op, ...]:
        """Return the operations for the end."""
        return (("cause", END), ("post",), ("flush",), ("drain",), ("ends",), ("drain",), ("finish",))

    def part(self, epoch: int) -> Part:
        """Return the part as it is now."""
        return replace(super().part(epoch), counts=self.room.counted)

    def _do_cause(self, cause: Cause) -> None:
        self.succession.cause(cause)
        if cause[0] >= 0:
            self.begun[cause[0]] = (*self.begun.get(cause[0], ()), cause[1])[-2:]

    def _do_item(self, channel: int, value: int) -> Effect | None:
        self.room.read.n += 1
        self.room.written.n += len(outputs(self.place.pe.kind, value)) * len(self.place.routes)
        if self.place.pe.kind == "spools":
            self.room.outputs.records.append((channel, value))
        return super()._do_item(channel, value)

    def _do_post(self) -> None:
        if self.place.pe.kind == "greets":
            self.room.written.n += len(self.place.routes)
            self.ops = (*self.write(FAREWELL), *self.ops)

    def _do_ready(self) -> None:
        self.succession.ready()
        self.out = self.room.outputs.by_channel()

    def _do_settle(self, frame: Frame) -> Effect:
        inlet = self.machine.done(frame)
        self.succession.settle((frame.channel, frame.number))
        self.ops = (("ack", frame.channel, frame.number, inlet.grant(0.0)), *self.ops)
        return ("settled",)

    def _do_drain(self) -> None:
        self.succession.drain()

    def _do_send(self, frame: Frame) -> Effect:
        self.room.waiting[frame.channel] = self.room.waiting.get(frame.channel, 0) + 1
        return super()._do_send(frame)
