# SPDX-License-Identifier: Apache-2.0
"""From what a cluster sends to the types, and back. What does not fit is named by its path."""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin

from d4py.errors import D4pyError
from d4py.resources.described import Described, described, key, required
from d4py.resources.schema import bare

Kind = TypeVar("Kind", bound=Described)


class Unreadable(D4pyError, ValueError):
    """Part of an object is not what its type says."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.reason = message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.reason)


def read(kind: type[Kind], data: Any, path: str = "") -> Kind:
    """Read an object. Fields that the type does not have are left out: a newer client may have sent them."""
    if not isinstance(data, dict):
        raise Unreadable(path or kind.__name__, f"is no object but {_kind_of(data)}")
    values: dict[str, Any] = {}
    for entry, annotation in described(kind):
        name = key(entry)
        place = f"{path}.{name}" if path else name
        value = data.get(name)
        if value is not None:
            values[entry.name] = _read(bare(annotation), value, place, numbers="int_or_string" in entry.metadata)
        elif required(entry):
            raise Unreadable(place, "is missing")
    return kind(**values)


def _read(kind: Any, value: Any, place: str, *, numbers: bool) -> Any:
    origin = get_origin(kind)
    if origin is list:
        (element,) = get_args(kind)
        if not isinstance(value, list):
            raise Unreadable(place, f"is no list but {_kind_of(value)}")
        return [_read(element, one, f"{place}[{number}]", numbers=numbers) for number, one in enumerate(value)]
    if origin is dict:
        element = get_args(kind)[1]
        if not isinstance(value, dict):
            raise Unreadable(place, f"is no object but {_kind_of(value)}")
        return {name: _read(element, one, f"{place}.{name}", numbers=numbers) for name, one in value.items()}
    if kind is object:
        return value
    if issubclass(kind, Described):
        return read(kind, value, place)
    if numbers and type(value) is int:  # a quantity may be given as a number
        return str(value)
    if type(value) is not kind:
        raise Unreadable(place, f"is of type {_kind_of(value)}, not {kind.__name__}")
    return value


def _kind_of(value: Any) -> str:
    return type(value).__name__


def written(thing: Described) -> dict[str, Any]:
    """Return an object as Kubernetes spells it; what is empty or left out is left out."""
    found: dict[str, Any] = {}
    for entry, _ in described(type(thing)):
        value = _written(getattr(thing, entry.name))
        if value is not None and value not in ({}, []):
            found[key(entry)] = value
    return found


def _written(value: Any) -> Any:
    if isinstance(value, Described):
        return written(value)
    if isinstance(value, list):
        return [_written(one) for one in value]
    if isinstance(value, dict):
        return {name: _written(one) for name, one in value.items()}
    return value
