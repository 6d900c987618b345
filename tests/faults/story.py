# SPDX-License-Identifier: Apache-2.0
"""A story: a small workflow as data, and by arithmetic alone what it must give.

Items are numbers; each stage that passes one on adds STEP to it, so a number tells where it came from and how far it has come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

STEP = 100_000
KEYS = 7
_HEAVY = 0.25  # of the stories
APART = 10_000  # between the first numbers of two sources

SOURCES = ("rerun", "seek", "tap")
STATELESS = ("relay", "label")
STATEFUL = ("ledger", "keyed", "sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One PE: its name, what it does, and whose outputs it reads."""

    name: str
    does: str
    reads: tuple[str, ...] = ()
    first: int = 0  # of a source: its first number


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A workflow and how it is run."""

    shape: str
    stages: tuple[Stage, ...]
    items: int  # of each source
    mapping: str = "multi"
    processes: int = 4
    fuse: bool = True
    pace: float = 0.002  # seconds that a source takes for an item
    checkpoint: float = 0.1
    heavy: bool = False  # whether numbers travel with arrays, through shared memory

    def of(self, *kinds: str) -> list[Stage]:
        """Return the stages that do one of these."""
        return [stage for stage in self.stages if stage.does in kinds]

    def stage(self, name: str) -> Stage:
        """Return a stage by its name."""
        return next(stage for stage in self.stages if stage.name == name)

    def numbers(self, source: Stage) -> range:
        """Return what a source gives."""
        return range(source.first, source.first + self.items)

    def __str__(self) -> str:
        told = f"{self.shape}, {self.items} items, {self.mapping} -n {self.processes}"
        return told + ("" if self.fuse else " --no-fuse") + (", with arrays" if self.heavy else "")


def origin(value: Any) -> int:
    """Return the number that a source gave; -1 for what a stage tells at its end."""
    if isinstance(value, (tuple, list)):
        return origin(value[1]) if len(value) == 2 else -1
    return int(getattr(value, "number", value)) % STEP


def passed(value: Any) -> Any:
    """Return what a stage makes of a value that it passes on."""
    return value + STEP if isinstance(value, int) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a story must give: per stage, each value and how often."""

    written: dict[str, Counter[Any]] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    def came(self, story: Story, stage: str, number: int) -> int:
        """Return how many values of one origin come to a stage."""
        values = (value for writer in story.stage(stage).reads for value in self.written[writer].elements())
        return sum(origin(value) == number for value in values)


def answer(
    story: Story, given: Mapping[str, Iterable[int]] | None = None, set_aside: Iterable[tuple[str, int]] = ()
) -> Answer:
    """Return what a story must give. given: what sources gave whose world decides that. set_aside: stages with origins in quarantine."""
    aside, found = set(set_aside), Answer()
    for stage in story.stages:
        if not stage.reads:
            numbers = (given or {}).get(stage.name, story.numbers(stage))
            found.written[stage.name] = Counter(numbers)
            continue
        values = [
            value
            for writer in stage.reads
            for value in found.written[writer].elements()
            if (stage.name, origin(value)) not in aside
        ]
        found.read[stage.name] = sum(found.written[writer].total() for writer in stage.reads)
        found.written[stage.name] = Counter(_MAKES[stage.does](stage.name, values))
    return found


def _relayed(_: str, values: Sequence[Any]) -> list[Any]:
    return [passed(value) for value in values]


def _labelled(_: str, values: Sequence[Any]) -> list[Any]:
    return [(origin(value) % KEYS, passed(value)) for value in values]


def _booked(name: str, values: Sequence[Any]) -> list[Any]:
    return [*_relayed(name, values), *_summed(name, values)]


def _summed(name: str, values: Sequence[Any]) -> list[Any]:
    numbers = [value for value in values if isinstance(value, int)]
    return [(name, len(numbers), sum(numbers))]


def _counted(name: str, values: Sequence[Any]) -> list[Any]:
    sums: dict[int, list[int]] = {}
    for key, number in values:
        sums.setdefault(key, []).append(number)
    return [(name, key, len(numbers), sum(numbers)) for key, numbers in sums.items()]


def _sunk(_: str, values: Sequence[Any]) -> list[Any]:
    return list(values)


_MAKES: dict[str, Callable[[str, Sequence[Any]], list[Any]]] = {
    "relay": _relayed,
    "label": _labelled,
    "ledger": _booked,
    "keyed": _counted,
    "sum": _summed,
    "sink": _sunk,
}


def _chain(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="relay", does="relay", reads=("source",)),
        Stage(name="sink", does="sink", reads=("relay",)),
    ]


def _state(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="relay", does="relay", reads=("source",)),
        Stage(name="ledger", does="ledger", reads=("relay",)),
        Stage(name="sink", does="sink", reads=("ledger",)),
    ]


def _diamond(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="left", does="relay", reads=("source",)),
        Stage(name="right", does="relay", reads=("source",)),
        Stage(name="ledger", does="ledger", reads=("left", "right")),
        Stage(name="sink", does="sink", reads=("ledger",)),
    ]


def _fan_in(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="second", does=source, first=APART),
        Stage(name="third", does="seek", first=2 * APART),
        Stage(name="relay", does="relay", reads=("source", "second")),
        Stage(name="ledger", does="ledger", reads=("relay", "third")),
        Stage(name="sink", does="sink", reads=("ledger",)),
    ]


def _keyed(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="label", does="label", reads=("source",)),
        Stage(name="keyed", does="keyed", reads=("label",)),
        Stage(name="sink", does="sink", reads=("keyed",)),
    ]


def _merged(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="sum", does="sum", reads=("source",)),
        Stage(name="relay", does="relay", reads=("source",)),
        Stage(name="sink", does="sink", reads=("sum", "relay")),
    ]


def _long(source: str) -> list[Stage]:
    return [
        Stage(name="source", does=source),
        Stage(name="relay", does="relay", reads=("source",)),
        Stage(name="ledger", does="ledger", reads=("relay",)),
        Stage(name="after", does="relay", reads=("ledger",)),
        Stage(name="second", does="ledger", reads=("after",)),
        Stage(name="last", does="relay", reads=("second",)),
        Stage(name="sink", does="sink", reads=("last",)),
    ]


SHAPES: dict[str, Callable[[str], list[Stage]]] = {
    "chain": _chain,
    "state": _state,
    "diamond": _diamond,
    "fan-in": _fan_in,
    "keyed": _keyed,
    "merged": _merged,
    "long": _long,
}


def drawn(random: Random, *, mapping: str = "multi") -> Story:
    """Draw a story."""
    shape = random.choice(list(SHAPES))
    source = random.choice(
        SOURCES if shape != "keyed" else ("rerun", "seek")
    )  # sums do not tell which number is missing
    items = random.randint(120, 240)
    return Story(
        shape=shape,
        stages=tuple(SHAPES[shape](source)),
        items=items,
        mapping=mapping,
        processes=random.randint(1, 9),
        fuse=random.random() < 0.8,
        pace=0.5 / items,
        checkpoint=random.choice((0.05, 0.1, 0.3, 5.0)),
        heavy=random.random() < _HEAVY,
    )
