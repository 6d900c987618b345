# SPDX-License-Identifier: Apache-2.0
"""How a state is laid out, and what is on the way between cells.

A state is a tuple of small numbers, each of which stands for the state of one machine or one queue. What a machine does next depends on its
own state only, so each such step of the real code is run once and remembered; a state of the whole differs from the next in a few numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cells import Cells, Numbers
from desk import Birth, Desk, Parts
from rules import Rules, Violation
from shell import Effect
from systems import System

from d4py.engine.estate import Estate
from d4py.items import Frame, Kind

State = tuple[int, ...]
Label = tuple[Any, ...]
ENDED: State = ()


class Trouble(NamedTuple):
    """What may still go wrong, and the frame that will come a second time."""

    crashes: int
    coordinator: int
    suspends: int
    epochs: int
    copies: int
    faults: int
    copy: tuple[int, int] | None = None  # channel, frame


class Network:
    """The layout of a state, and what cells do to it."""

    desk_kind = Desk

    def __init__(self, system: System, rules: Rules | None = None) -> None:
        self.system = system
        self.rules = rules or Rules()
        self.mortal = frozenset(
            place.index for place in system.places if not system.mortal or place.pe.name in system.mortal
        )
        self.n, self.m = len(system.places), len(system.channels)
        self.frames, self.acks = self.n, self.n + self.m
        self.tells, self.asks = self.n + 2 * self.m, 2 * self.n + 2 * self.m
        self.desk = 3 * self.n + 2 * self.m
        self.appeared = self.desk + 1
        self.trouble = self.desk + 2
        self.parts = Parts()
        self.cells = Cells(system, self.rules, self.parts)
        self.about, self.sheets, self.shells = self.cells.about, self.cells.sheets, self.cells.shells
        self.desks, self.troubles, self.queues, self.worlds = Numbers(), Numbers(), Numbers(()), Numbers(())
        self.heard: dict[tuple[Any, ...], tuple[int, tuple[Any, ...], tuple[Birth, ...]] | Violation] = {}
        self.now: Label = ()  # what is being tried; the last step of a story that ends in a violation
        self.free_acks = system.free or system.credit > 1
        self.late_acks = system.free  # they are looked at by a cell that has ended

    def first(self) -> State:
        """Return where it begins."""
        system = self.system
        cells = [self.cells.begin(place.index, 1, None, 0, None) for place in system.places]
        trouble = Trouble(
            system.crashes,
            system.coordinator_crashes,
            system.suspends,
            system.epochs,
            system.copies,
            1 if system.fault else 0,
        )
        desk = self.desk_kind(system, self.rules, self.parts)
        return (
            *cells,
            *[0] * (2 * self.m + 2 * self.n),
            self.desks.of(desk.key(), desk),
            0,
            self.troubles.of(trouble, trouble),
        )

    def put(self, state: list[int], index: int, entry: Any) -> None:
        """Append to a queue."""
        queue = (*self.queues.values[state[index]], entry)
        state[index] = self.queues.of(queue, queue)

    def drop(self, state: list[int], index: int) -> None:
        """Take the head off a queue."""
        queue = self.queues.values[state[index]][1:]
        state[index] = self.queues.of(queue, queue)

    def head(self, state: State, index: int) -> Any:
        """Return the head of a queue that is not empty."""
        return self.queues.values[state[index]][0]

    def send(self, before: State, after: list[int], effect: Effect) -> None:
        """Send a frame to the reader of a channel."""
        self.check_send(before, effect[1], self.sheets.values[effect[2]])
        self.put(after, self.frames + effect[1], effect[2])

    def bear(self, after: list[int], cell: int, estate: Estate) -> None:
        """Let a cell begin in the place of one that died."""
        raise NotImplementedError

    def acknowledge(self, after: list[int], cell: int, effect: Effect) -> None:
        """Send an acknowledgement to the writer of a channel."""
        _, channel, number, credit = effect
        generation = self.about[after[cell]].generation
        writer = self.about[after[self.system.channels[channel][0]]]
        if self.rules.acks_checked and (not writer.alive or writer.generation > generation):
            return  # its link drops it
        if writer.finished and not self.late_acks:
            return  # it changes nothing there
        self.put(after, self.acks + channel, (generation, number, credit))

    def check_send(self, state: State, channel: int, frame: Frame) -> None:
        """Raise Violation where a frame's number does not follow, or its items exceed the reader's credit."""
        writer, reader = self.system.channels[channel]
        name = f"{self.system.places[writer].name} sends frame {frame.number} to {self.system.places[reader].name}"
        queue = self.queues.values[state[self.frames + channel]]
        about, shell = self.about[state[reader]], self.shells.values[state[reader]]
        before: Frame | None = self.sheets.values[queue[-1]] if queue else None
        if before is not None and before.generation == frame.generation:
            due = before.number + 1
        elif about.alive and not about.lost and about.generation == frame.generation:
            due = shell.machine.inlets[channel].expected
        else:
            due = frame.number if about.lost or about.generation >= frame.generation else 0
        if frame.number != due:
            raise Violation(f"{name} where {due} was due.")
        if frame.kind is Kind.DATA and about.alive and not about.lost and about.generation == frame.generation:
            done = shell.machine.inlets[channel].count
            if frame.first + len(frame.items) - done > self.system.credit:
                raise Violation(f"{name} beyond its credit: {frame.first + len(frame.items) - done} items in flight.")

    def check_appears(self, state: State, cell: int, value: int) -> None:
        """Raise Violation where a sink lets go what no durable commit covers."""
        covered = self.covered(state, cell)
        if value not in covered:
            name = self.system.places[cell].name
            raise Violation(f"{name} lets item {value} appear; the newest commit covers {covered or 'nothing'} of it.")

    def check_appeared(self, state: State, cell: int, epoch: int) -> None:
        """Raise Violation unless all has appeared that the commit of an epoch covers."""
        left = [value for value in self.covered(state, cell, epoch) if (cell, value) not in self.things(state)]
        if left:
            raise Violation(f"{self.system.places[cell].name} has let go all it will; {left} are not there.")

    def covered(self, state: State, cell: int, epoch: int | None = None) -> list[int]:
        """Return the items of a sink that a durable commit covers: the newest, or that of an epoch if it is still there."""
        _, start, newest = self.desks.values[state[self.desk]].disk
        found = [commit for commit in (newest, start) if commit is not None and epoch in {None, commit.epoch}]
        parts = self.parts.of(found[0] if found else None)
        return [value for values in parts[cell].out.values() for value in values] if parts else []

    def things(self, state: State) -> tuple[tuple[int, int], ...]:
        """Return what has appeared in the world: cell and item."""
        found: tuple[tuple[int, int], ...] = self.worlds.values[state[self.appeared]]
        return found

    def appear(self, after: list[int], cell: int, value: int) -> None:
        """Add to the world; nothing that happens to the run takes it away."""
        found = tuple(sorted({*self.worlds.values[after[self.appeared]], (cell, value)}))
        after[self.appeared] = self.worlds.of(found, found)

    def less(self, state: State, **changes: Any) -> State:
        """Return a state in which something else may still go wrong."""
        kept = self.troubles.values[state[self.trouble]]._replace(**changes)
        return (*state[:-1], self.troubles.of(kept, kept))

    def kill(self, after: list[int], cell: int) -> None:
        """End a cell; what was on the way to it as a process is gone."""
        after[cell] = self.cells.dead(cell, after[cell])
        if self.rules.asks_checked:
            after[self.asks + cell] = 0
        if self.rules.acks_checked:
            for channel in self.system.places[cell].outlets:
                after[self.acks + channel] = 0

    def clear(self, after: list[int]) -> None:
        """All cells are killed, and the network is a new one."""
        for cell in range(self.n):
            if self.about[after[cell]].alive:
                after[cell] = self.cells.dead(cell, after[cell])
        for index in range(self.frames, self.asks if not self.rules.asks_checked else self.desk):
            after[index] = 0
