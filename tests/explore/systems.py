# SPDX-License-Identifier: Apache-2.0
"""The small runs that are explored: which PEs, how many instances, how joined, what may go wrong, and what must come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from d4py.engine.outlet import Choice

MARK = 1000  # what a `total` writes at its end is this and its count
AGAIN = 100  # what a `twice` adds to its second write
GREETING, FAREWELL = 2000, 3000  # what a `greets` writes


@dataclass(frozen=True, slots=True, kw_only=True)
class PE:
    """A processing element of a system.

    kind: source (writes 0, 1, ...), map (writes what it reads), twice (the same and a second value), total (writes its count at the end),
    sink (its outputs are the run's), files (a sink that lets go what it reads once a commit covers it), some (writes no, one or two values for
    an item), greets (as map, and a value when it begins and when it ends), spools (stateless, what it writes is not consumed).
    """

    name: str
    kind: str
    instances: int = 1
    items: int = 0  # of a source
    base: int = 0  # its first value; values of different sources differ in their tens

    @property
    def keeps(self) -> bool:
        """Whether it has a state."""
        return self.kind in {"total", "sink", "files"}

    @property
    def replaceable(self) -> bool:
        """Whether its instances can be replaced alone."""
        return self.kind in {"map", "twice", "some", "greets", "spools"}

    @property
    def reads_last(self) -> bool:
        """Whether what it reads is what the run is for."""
        return self.kind in {"sink", "files", "spools"}


Shape = tuple[tuple[PE, ...], tuple[tuple[str, str, str], ...]]  # PEs; edges: writer, reader, grouping


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """PEs, edges (writer, reader, grouping: any, key or all), and what the world around them may do."""

    name: str
    pes: tuple[PE, ...]
    edges: tuple[tuple[str, str, str], ...]
    credit: int = 1
    size: int = 1  # bytes of an item
    epochs: int = 1  # checkpoints
    crashes: int = 1  # of one cell
    mortal: tuple[str, ...] = ()  # PEs whose cells crash, if not all
    coordinator_crashes: int = 0
    suspends: int = 0
    copies: int = 0  # frames that come a second time, at any time, in any later generation too
    fault: str = ""  # what happens once to a frame: "lose" it, "empty" it
    poison: int = -1  # the item that kills whoever processes it
    alone: bool = False  # stateless cells that die are replaced alone where that may be
    near: bool = False  # readers run only while their writers do not
    zombies: bool = True  # a cell may work on in its old generation after the rewind, until it is told
    free: bool = False  # every interleaving, also those that can't differ
    restarts: int = 3
    ordered: bool = True  # the items of one source reach a sink's channel in order
    places: tuple[Place, ...] = field(init=False)
    channels: tuple[tuple[int, int], ...] = field(init=False)  # (writer's cell, reader's)

    def __post_init__(self) -> None:
        places, channels = _laid_out(self)
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "channels", channels)

    @property
    def bounds(self) -> str:
        """Tell the bounds in a line."""
        items = "+".join(str(pe.items) for pe in self.pes if pe.kind == "source")
        told = [
            f"{len(self.places)} cells",
            f"{items} items",
            f"credit {self.credit}",
            _many(self.epochs, "checkpoint"),
        ]
        told += [_many(number, what) for number, what in self._troubles() if number]
        told += [f"of {' or '.join(self.mortal)}"] if self.mortal and self.crashes else []
        told += [_FAULTS[self.fault]] if self.fault else []
        told += ["old generations work on"] if self.zombies and (self.crashes or self.fault) else []
        told += ["every interleaving"] if self.free else []
        told += ["cells take turns"] if self.near else []
        told += ["replaced alone"] if self.alone else []
        return ", ".join(told)

    def _troubles(self) -> list[tuple[int, str]]:
        return [
            (self.crashes, "crash"),
            (self.coordinator_crashes, "crash of the coordinator"),
            (self.suspends, "suspension"),
            (self.copies, "late or repeated frame"),
            (int(self.poison >= 0), "deadly item"),
        ]

    def expected(self, written: Mapping[str, int], ended: frozenset[str]) -> dict[str, Counter[int]]:
        """Return what each PE has read once its sources have made so many writes and nothing is in flight. ended: PEs that have finished."""
        read: dict[str, Counter[int]] = {pe.name: Counter() for pe in self.pes}
        for pe in self.pes:  # in the order of the graph
            emitted = self._emitted(pe, read[pe.name], written, ended)
            for writer, reader, grouping in self.edges:
                if writer == pe.name:
                    times = self._named(reader).instances if grouping == "all" else 1
                    for value, number in emitted.items():
                        read[reader][value] += number * times
        return read

    def _emitted(self, pe: PE, read: Counter[int], written: Mapping[str, int], ended: frozenset[str]) -> Counter[int]:
        if pe.kind == "source":
            return Counter(range(pe.base, pe.base + written[pe.name]))
        if pe.kind == "total":
            return Counter([MARK + sum(read.values())] if pe.name in ended else [])
        emitted = Counter([value for item in read.elements() for value in outputs(pe.kind, item)])
        if pe.kind == "greets":
            emitted[GREETING] += 1
            emitted[FAREWELL] += int(pe.name in ended)
        return emitted

    def _named(self, name: str) -> PE:
        return next(pe for pe in self.pes if pe.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One cell: an instance of a PE with its channels. A route is the lanes that a write goes to one of, by key."""

    index: int
    name: str
    pe: PE
    inlets: tuple[int, ...]
    outlets: tuple[int, ...]
    lanes: tuple[tuple[Choice, tuple[int, ...]], ...]
    routes: tuple[tuple[int, ...], ...]

    @property
    def chooses(self) -> bool:
        """Whether where an item goes depends on what has been acknowledged."""
        return any(choice is Choice.ANY and len(outlets) > 1 for choice, outlets in self.lanes)


def outputs(kind: str, value: int) -> tuple[int, ...]:
    """Return what a PE writes for an item."""
    if kind == "twice":
        return (value, value + AGAIN)
    if kind == "some":
        return ((), (value,), (value, value + AGAIN))[(value + 2) % 3]
    return (value,) if kind in {"map", "greets"} else ()


def rank(value: int) -> tuple[int, int]:
    """Return what grows along a channel with the values of one source."""
    return (value % AGAIN, value // AGAIN)


_FAULTS = {"lose": "1 frame lost", "empty": "1 frame emptied"}


def _many(number: int, what: str) -> str:
    noun, of, rest = what.partition(" of ")
    plural = "" if number == 1 else "es" if noun == "crash" else "s"
    return f"{number or 'no'} {noun}{plural}{of}{rest}"


def _laid_out(system: System) -> tuple[tuple[Place, ...], tuple[tuple[int, int], ...]]:
    first: dict[str, int] = {}
    number = 0
    for pe in system.pes:
        first[pe.name] = number
        number += pe.instances
    sizes = {pe.name: pe.instances for pe in system.pes}
    channels: list[tuple[int, int]] = []
    places: list[Place] = []
    for pe in system.pes:
        for instance in range(pe.instances):
            index = first[pe.name] + instance
            lanes: list[tuple[Choice, tuple[int, ...]]] = []
            routes: list[tuple[int, ...]] = []
            for _, reader, grouping in (edge for edge in system.edges if edge[0] == pe.name):
                ids = tuple(range(len(channels), len(channels) + sizes[reader]))
                channels.extend((index, first[reader] + to) for to in range(sizes[reader]))
                made = (
                    [(Choice.ONE, (one,)) for one in ids] if grouping == "key" else [(_choice(grouping, len(ids)), ids)]
                )
                routes.append(tuple(range(len(lanes), len(lanes) + len(made))))
                lanes.extend(made)
            name = pe.name if pe.instances == 1 else f"{pe.name}[{instance}]"
            outlets = tuple(channel for _, ids in lanes for channel in ids)
            places.append(
                Place(
                    index=index, name=name, pe=pe, inlets=(), outlets=outlets, lanes=tuple(lanes), routes=tuple(routes)
                )
            )
    read = {
        place.index: tuple(channel for channel, (_, reader) in enumerate(channels) if reader == place.index)
        for place in places
    }
    return tuple(replace(place, inlets=read[place.index]) for place in places), tuple(channels)


def _choice(grouping: str, readers: int) -> Choice:
    if readers == 1:
        return Choice.ONE
    return Choice.EVERY if grouping == "all" else Choice.ANY


def source(items: int, name: str = "source", base: int = 0) -> PE:
    """Return a source."""
    return PE(name=name, kind="source", items=items, base=base)


def fan_out(items: int, grouping: str) -> Shape:
    """One source, two instances that read it."""
    return (source(items), PE(name="sink", kind="sink", instances=2)), (("source", "sink", grouping),)


def fan_in(items: int, other: int) -> Shape:
    """Two sources, one reader."""
    pes = (source(items, "one"), source(other, "two", 10), PE(name="sink", kind="sink"))
    return pes, (("one", "sink", "any"), ("two", "sink", "any"))


def chain(items: int, kind: str) -> Shape:
    """One after another."""
    pes = (source(items), PE(name="middle", kind=kind), PE(name="sink", kind="sink"))
    return pes, (("source", "middle", "any"), ("middle", "sink", "any"))


def diamond(items: int) -> Shape:
    """Each item goes two ways, which meet."""
    pes = (source(items), PE(name="left", kind="map"), PE(name="right", kind="map"), PE(name="sink", kind="sink"))
    edges = (("source", "left", "any"), ("source", "right", "any"), ("left", "sink", "any"), ("right", "sink", "any"))
    return pes, edges


def pair(items: int, other: int) -> Shape:
    """A source with a sink that commits, and another source which has one only if it has items: else it ends when it likes, and sees no barrier."""
    pes = (source(items, "one"), PE(name="files", kind="files"), source(other, "two", 10))
    if not other:
        return pes, (("one", "files", "any"),)
    return (*pes, PE(name="more files", kind="files")), (("one", "files", "any"), ("two", "more files", "any"))


def made(name: str, shape: Shape, **bounds: Any) -> System:
    """Return a system of a shape."""
    return System(name=name, pes=shape[0], edges=shape[1], **bounds)


_KILL_ALL = {"zombies": False}  # as a mapping does that kills every worker before it starts the next generation's

SMALL = (
    made("fan-out by key", fan_out(4, "key")),
    made("fan-out to all", fan_out(4, "all")),
    made("fan-out by shuffle", fan_out(4, "any"), crashes=0),
    made("fan-out by shuffle, crash", fan_out(2, "any"), **_KILL_ALL),
    made("fan-in of two sources", fan_in(2, 2), **_KILL_ALL),
    made("fan-in of two sources, old generations", fan_in(1, 0)),
    made("diamond", diamond(4), **_KILL_ALL),
    made("chain", chain(4, "map")),
    made("chain, two writes a call", chain(2, "twice")),
    made("chain, a write at the end", chain(4, "total")),
    made("two crashes", chain(2, "map"), crashes=2, **_KILL_ALL),
    made("coordinator crashes", fan_out(4, "key"), coordinator_crashes=1, **_KILL_ALL),
    made("suspended and resumed", chain(1, "total"), suspends=1, **_KILL_ALL),
    made("two checkpoints", chain(2, "map"), epochs=2, **_KILL_ALL),
    made("sinks that commit", pair(2, 0)),
    made("sinks that commit, one beside another", pair(1, 1), crashes=0),
    made("sinks that commit, coordinator crashes", pair(1, 0), coordinator_crashes=1, **_KILL_ALL),
    made("late and repeated frames", chain(1, "map"), copies=1),
    made("large items", chain(4, "map"), credit=3, size=9 << 20, **_KILL_ALL),
    made("cells take turns", chain(3, "map"), credit=3, near=True, **_KILL_ALL),
    made("a frame is lost", chain(3, "map"), credit=2, crashes=0, fault="lose"),
    made("a frame is emptied", chain(3, "map"), credit=2, crashes=0, fault="empty"),
    made("an item kills", chain(2, "map"), crashes=0, poison=1, restarts=2),
    made("every interleaving, fan-out", fan_out(2, "key"), free=True, crashes=0),
    made("every interleaving, chain", chain(1, "twice"), free=True, **_KILL_ALL),
)

LARGE = (
    made("fan-out by shuffle, crash", fan_out(2, "any")),
    made("fan-in, old generations", fan_in(2, 1)),
    made("two crashes, old generations", chain(2, "map"), crashes=2),
    made("fan-out by key", fan_out(6, "key"), crashes=2),
    made("fan-out by shuffle", fan_out(4, "any"), **_KILL_ALL),
    made("fan-out by shuffle, old generations", fan_out(3, "any")),
    made("fan-in of two sources", fan_in(2, 2)),
    made("fan-in, two crashes", fan_in(2, 2), crashes=2, **_KILL_ALL),
    made("diamond", diamond(6), **_KILL_ALL),
    made("diamond, two crashes", diamond(3), crashes=2, **_KILL_ALL),
    made("diamond, old generations", diamond(2)),
    made("chain, two crashes", chain(4, "map"), crashes=2),
    made("chain, two writes a call, two crashes", chain(3, "twice"), crashes=2),
    made("coordinator crashes twice", fan_out(4, "key"), coordinator_crashes=2, **_KILL_ALL),
    made("suspended and resumed", chain(4, "total"), suspends=1, **_KILL_ALL),
    made("two checkpoints", fan_out(4, "key"), epochs=2, **_KILL_ALL),
    made("sinks that commit, two checkpoints", pair(2, 0), epochs=2, **_KILL_ALL),
    made("sinks that commit, two crashes", pair(2, 0), crashes=2, **_KILL_ALL),
    made("sinks that commit, suspended and resumed", pair(1, 0), suspends=1, **_KILL_ALL),
    made("sinks that commit, one beside another", pair(1, 1), **_KILL_ALL),
    made("late and repeated frames", fan_out(2, "key"), copies=1),
    made("credit 4", chain(4, "map"), credit=4, **_KILL_ALL),
    made("every interleaving", chain(2, "map"), free=True),
)
