# SPDX-License-Identifier: Apache-2.0
"""Small runs in which a stateless cell that dies is replaced alone."""

from __future__ import annotations

from typing import Any

from systems import PE, Shape, System, diamond, made, source

_ALONE = {"alone": True, "zombies": False}


def spools(items: int, instances: int = 1, grouping: str = "any") -> Shape:
    """A source and stateless readers whose outputs are the run's."""
    return (source(items), PE(name="leaf", kind="spools", instances=instances)), (("source", "leaf", grouping),)


def joined(items: int, other: int, kind: str) -> Shape:
    """Two sources, one stateless reader, and who reads it."""
    pes = (source(items, "one"), source(other, "two", 10), PE(name="middle", kind=kind), PE(name="sink", kind="sink"))
    return pes, (("one", "middle", "any"), ("two", "middle", "any"), ("middle", "sink", "any"))


def gathered(items: int, other: int) -> Shape:
    """Two sources, one stateless reader whose outputs are the run's."""
    pes = (source(items, "one"), source(other, "two", 10), PE(name="leaf", kind="spools"))
    return pes, (("one", "leaf", "any"), ("two", "leaf", "any"))


def through(items: int, kind: str, *, instances: int = 1, readers: int = 1, grouping: str = "any") -> Shape:
    """A source, stateless instances, and who reads them."""
    pes = (
        source(items),
        PE(name="middle", kind=kind, instances=instances),
        PE(name="sink", kind="sink", instances=readers),
    )
    return pes, (("source", "middle", "any"), ("middle", "sink", grouping))


def in_turn(items: int, kind: str = "map") -> Shape:
    """Two stateless cells one after the other."""
    pes = (source(items), PE(name="first", kind=kind), PE(name="second", kind="map"), PE(name="sink", kind="sink"))
    return pes, (("source", "first", "any"), ("first", "second", "any"), ("second", "sink", "any"))


def beside(items: int) -> Shape:
    """A source whose items go through a stateless cell, and one whose items go straight to the same reader."""
    pes = (source(items, "one"), PE(name="middle", kind="map"), source(items, "two", 10), PE(name="sink", kind="sink"))
    return pes, (("one", "middle", "any"), ("middle", "sink", "any"), ("two", "sink", "any"))


def twofold(items: int, kind: str) -> Shape:
    """A source that sends each item twice, on two channels."""
    pes, edges = through(items, kind)
    return pes, (edges[0], *edges)


def alone(name: str, shape: Shape, **bounds: Any) -> System:
    """Return a system of a shape."""
    return made(name, shape, **{**_ALONE, **bounds})


REPLACED = (
    alone("replaced, two writes a call", through(2, "twice"), epochs=0),
    alone("replaced, a checkpoint", through(1, "map")),
    alone("replaced, two writes a call, a checkpoint", through(1, "twice")),
    alone("replaced, two writes a call, two crashes", through(1, "twice"), crashes=2, epochs=0),
    alone("replaced, readers by shuffle", through(1, "twice", readers=2), epochs=0),
    alone("replaced, readers by key", through(1, "twice", readers=2, grouping="key"), epochs=0),
    alone("replaced, all readers", through(1, "twice", readers=2, grouping="all"), epochs=0),
    alone("replaced, two instances", through(2, "map", instances=2), epochs=0),
    alone("replaced, outputs of the run", spools(2)),
    alone("replaced, outputs of the run, two sources", gathered(1, 0)),
    alone("replaced, two sources", joined(1, 1, "map"), epochs=0),
    alone("replaced, one neighbour and then the other", in_turn(1), crashes=2, epochs=0),
    alone("replaced, no, one or two writes a call", through(3, "some"), epochs=0),
    alone("replaced, it writes when it begins and ends", through(1, "greets")),
    alone("replaced, the same to two readers", through(0, "greets", readers=2), epochs=0, mortal=("middle",)),
    alone("replaced, several items a frame", through(3, "twice"), credit=4, epochs=0, mortal=("middle",)),
    alone("replaced, diamond", diamond(1), epochs=0),
)

REPLACED_LARGE = (
    alone("replaced, two writes a call, two crashes and a checkpoint", through(1, "twice"), crashes=2),
    alone("replaced, readers by shuffle, a checkpoint", through(2, "twice", readers=2)),
    alone("replaced, one neighbour and then the other, a checkpoint", in_turn(1), crashes=2),
    alone("replaced, two sources, a checkpoint", joined(1, 1, "map"), mortal=("middle",)),
    alone("replaced, two frames at once, two crashes", twofold(1, "map"), crashes=2, ordered=False),
    alone("replaced, it writes when it begins and ends, two readers", through(0, "greets", readers=2), crashes=2),
    alone("replaced, diamond, a checkpoint", diamond(1)),
    alone("replaced, a frame of several items, a checkpoint", through(3, "twice"), credit=4, mortal=("middle",)),
)
