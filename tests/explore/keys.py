# SPDX-License-Identifier: Apache-2.0
"""Copies of the engine's machines, and keys that are equal where two machines are.

Both go through whatever attributes a machine has, so one that the engine gains is neither shared by accident nor forgotten in a key.
"""

from __future__ import annotations

from collections import deque
from dataclasses import is_dataclass
from typing import Any, TypeVar

from d4py.engine.cell import CellMachine
from d4py.engine.coordinator import Commit
from d4py.engine.inlet import Inlet
from d4py.engine.outlet import Lane, Outlet
from d4py.items import Frame

Key = Any  # a nest of tuples, hashable
Machine = TypeVar("Machine")

_MACHINES = (CellMachine, Inlet, Outlet, Lane)
_names: dict[type, tuple[str, ...]] = {}


def names(kind: type) -> tuple[str, ...]:
    """Return the attributes of a class with slots."""
    if kind not in _names:
        found = {name for base in kind.__mro__ for name in getattr(base, "__slots__", ())}
        _names[kind] = tuple(sorted(found))
    return _names[kind]


def key(value: Any) -> Key:
    """Return what tells one state of a machine, or of a part of it, from another."""
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return value
    if kind is tuple or kind is list or kind is deque:
        return tuple([key(entry) for entry in value])
    if kind is dict:
        return tuple([(name, key(value[name])) for name in sorted(value)])
    if kind is Frame:
        return (
            value.generation,
            value.channel,
            value.number,
            value.first,
            int(value.kind),
            tuple(value.items),
            value.epoch,
            value.cause,
        )
    if kind is Commit:
        return (value.generation, value.epoch, tuple(sorted(value.parts.items())), value.final)
    if isinstance(value, _MACHINES):
        return tuple([key(getattr(value, name)) for name in names(kind)])
    if is_dataclass(value):
        return tuple([key(getattr(value, name)) for name in names(kind)])
    return value


def clone(value: Any) -> Any:
    """Return a copy that shares nothing which changes. Frames and commits do not change once they are made."""
    if isinstance(value, _MACHINES):
        twin = object.__new__(type(value))
        for name in names(type(value)):
            setattr(twin, name, clone(getattr(value, name)))
        return twin
    kind = type(value)
    if kind is deque:
        return deque(value)  # of frames, or of tuples
    if kind is list:
        return value[:]
    if kind is dict:
        return {name: clone(entry) for name, entry in value.items()}
    return value


def clone_lane(lane: Lane, outlets: dict[int, Outlet]) -> Lane:
    """Return a copy of a lane that leads to the copies of its outlets."""
    twin = object.__new__(type(lane))
    for name in names(type(lane)):
        setattr(
            twin,
            name,
            clone(getattr(lane, name)) if name != "outlets" else [outlets[outlet.channel] for outlet in lane.outlets],
        )
    return twin


def lane_key(lane: Lane) -> Key:
    """Return the key of a lane; its outlets are the machine's."""
    return tuple([key(getattr(lane, name)) for name in names(type(lane)) if name != "outlets"])


def clone_object(value: Machine) -> Machine:
    """Return a copy of a machine without slots."""
    twin = object.__new__(type(value))
    twin.__dict__.update({name: clone(entry) for name, entry in value.__dict__.items()})
    return twin


def key_object(value: object) -> Key:
    """Return the key of a machine without slots."""
    return tuple([(name, key(entry)) for name, entry in sorted(value.__dict__.items())])
