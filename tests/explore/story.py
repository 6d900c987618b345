# SPDX-License-Identifier: Apache-2.0
"""A way through the states, told so that a person can follow it."""

from __future__ import annotations

from typing import Any

from network import Label
from rules import Part
from world import World

from d4py.engine.coordinator import Commit
from d4py.items import Frame, Kind


def told(world: World, labels: list[Label]) -> list[str]:
    """Return a line for each move."""
    return [f"  {number:3}. {_line(world, *label)}" for number, label in enumerate(labels, 1)]


def _line(world: World, what: str, *about: Any) -> str:
    if what in _PLAIN:
        return _PLAIN[what]
    if what == "writes":
        return f"{_commit(about[0])} is durable."
    if what == "told":
        return f"The coordinator hears that {_commit(about[0])} is durable."
    name = world.system.places[about[0]].name
    if what in _FRAMES:
        frame = _frame(world, world.sheets.values[about[1]])
        return _FRAMES[what].format(name=name, frame=frame) + _then(world, *about[2:])
    return _of_cell(world, what, name, *about[1:])


def _of_cell(world: World, what: str, name: str, *about: Any) -> str:
    if what == "credit":
        channel, number, credit = about
        reader = world.system.places[world.system.channels[channel][1]].name
        return f"{name} hears from {reader}: done up to frame {number}, send up to item {credit}."
    if what in {"asked", "told of"}:
        return (
            f"{name} is asked to take barrier {about[0]}." if what == "asked" else f"{name} hears of commit {about[0]}."
        )
    if what == "hears":
        return f"The coordinator hears from {name}: {_letter(world, about[0])}."
    if what == "begins":
        return f"{name} begins anew, in generation {about[0]}."
    if what == "crashes":
        return f"{name} CRASHES{f', {about[0]} frames that it sent go with it' if about and about[0] else ''}."
    if what == "notices":
        return f"The coordinator notices that {name} is dead."
    if what in _NEIGHBOURS:
        return _NEIGHBOURS[what].format(name=name, other=world.system.places[about[0]].name)
    return f"{name} goes on{_then(world, *about)}"


_NEIGHBOURS = {
    "loses sight": "{name} hears that {other} is dead, takes in what it sent, and reports.",
    "meets": "{name} meets the successor of {other}, and sends what {other} did not acknowledge.",
}

_PLAIN = {
    "checkpoint": "It is time for a checkpoint.",
    "suspends": "The run is told to stop after one more checkpoint.",
    "falls": "The coordinator CRASHES, all cells with it; another begins from the disk.",
    "resumes": "The run is resumed from the disk.",
}

_FRAMES = {
    "takes": "{name} takes {frame}",
    "copies": "{name} takes {frame}, of which a COPY remains on the way",
    "again": "{name} gets the COPY of {frame}",
    "drops": "{name} DROPS {frame}",
    "loses": "{name} LOSES {frame}",
    "empties": "{name} takes {frame}, EMPTIED on the way",
}


def _then(world: World, effect: Any = None) -> str:
    if effect is None:
        return "."
    if effect[0] == "send":
        frame = world.sheets.values[effect[2]]
        return f"; sends {_frame(world, frame)} to {world.system.places[world.system.channels[effect[1]][1]].name}."
    if effect[0] == "ack":
        writer = world.system.places[world.system.channels[effect[1]][0]].name
        return f"; acknowledges frame {effect[2]} to {writer}, up to item {effect[3]} may come."
    if effect[0] == "tell":
        return f"; hands over {_part(world.parts.all[effect[1]])}."
    if effect[0] == "appears":
        return f"; lets item {effect[1]} APPEAR."
    if effect[0] == "released":
        return f"; tells that all up to epoch {effect[1]} is let go."
    if effect[0] in {"settled", "owes"}:
        return f"; {'enters its counts' if effect[0] == 'settled' else 'keeps an acknowledgement for a successor'}."
    return "; asks for a rewind." if effect[0] == "lost" else "; DIES of the item."


def _frame(world: World, frame: Frame) -> str:
    writer = world.system.places[world.system.channels[frame.channel][0]].name
    what = {
        Kind.DATA: f"items {frame.items}",
        Kind.BARRIER: f"barrier {frame.epoch}",
        Kind.END: f"end mark after {frame.first}",
    }
    return f"frame {frame.number} of {writer} ({what[frame.kind]}, generation {frame.generation})"


def _part(part: Part) -> str:
    what = "its final part" if part.final else f"its part of epoch {part.epoch}"
    return f"{what} (generation {part.generation}, read {list(part.counters.read.values())}, written {list(part.counters.written.values())})"


def _letter(world: World, letter: Any) -> str:
    if letter[0] == "standing":
        name = world.system.places[letter[1]].name
        return f"how far it has come with {name}: {[tuple(one) for one in (*letter[3].supplies, *letter[3].demands)]}"
    if letter[0] == "released":
        return f"all up to epoch {letter[2]} is let go"
    return _part(world.parts.all[letter[1]]) if letter[0] == "part" else "a frame is missing"


def _commit(commit: Commit) -> str:
    return f"The commit of epoch {commit.epoch}, generation {commit.generation}{', the last' if commit.final else ''},"
