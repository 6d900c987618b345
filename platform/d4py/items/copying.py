# SPDX-License-Identifier: Apache-2.0
"""Copies of values for a second reader in the same process: what can't be changed is shared."""

from __future__ import annotations

import copy
import pickle
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FLAT = frozenset({int, float, bool, complex, type(None)})  # types whose values are small and hold nothing
_SAMPLE = 64
_UNCHANGEABLE = (str, int, float, bool, bytes, complex, type(None), range, type, type(Ellipsis))


def unchangeable(value: Any) -> bool:
    """Return whether nobody can change this value."""
    kind = type(value)
    if kind in _UNCHANGEABLE:
        return True
    return kind in (tuple, frozenset) and all(unchangeable(part) for part in value)


def copied(value: Any) -> Any:
    """Return a value that its reader may change without anyone noticing."""
    if unchangeable(value):
        return value
    if (
        type(value).__module__ == "numpy"
        and hasattr(value, "copy")
        and getattr(getattr(value, "dtype", None), "hasobject", True) is False
    ):
        return value.copy()
    try:
        return copy.deepcopy(value)
    except (TypeError, ValueError, AttributeError, pickle.PicklingError) as error:
        from d4py.errors import NotPicklable

        raise NotPicklable(
            f"A value of type {type(value).__name__} goes to several readers but cannot be copied: {error}.",
            hint="Declare readonly = True on all readers, or send plain data.",
        ) from error


def sized(value: Any, depth: int = 4) -> int:
    """Return about how many bytes a value holds: arrays exactly, containers and objects by what is in them, some levels deep."""
    kind = type(value)
    if kind in FLAT:
        return 32
    if kind in (str, bytes, bytearray):
        return len(value) + 49
    size = getattr(value, "nbytes", None)
    if type(size) is int:
        return size
    if depth == 0:
        return sys.getsizeof(value, 64)
    if isinstance(value, dict):
        return _of_parts(value.values(), len(value), depth) + 48 * len(value)
    if isinstance(value, (tuple, list, set, frozenset)):
        return _of_parts(value, len(value), depth)
    return _of_object(value, depth)


def sized_all(items: Sequence[Any]) -> int:
    """Return about how many bytes the items of a frame hold."""
    return _of_parts(items, len(items), 4)


def _of_parts(parts: Collection[Any], number: int, depth: int) -> int:
    """Add up parts; of many, a sample stands for the rest."""
    if number <= _SAMPLE:
        return sum([sized(part, depth - 1) for part in parts]) + 56
    if type(parts) is list and set(map(type, parts)) <= FLAT:
        return 40 * number
    step = -(-number // _SAMPLE)
    sample = [sized(part, depth - 1) for part in islice(parts, 0, None, step)]
    return sum(sample) * number // len(sample) + 56


def _of_object(value: Any, depth: int) -> int:
    attributes = getattr(value, "__dict__", None)
    size = sys.getsizeof(value, 64)
    if type(attributes) is dict:
        size += _of_parts(attributes.values(), len(attributes), depth)
    for name in getattr(type(value), "__slots__", ()):
        if name not in ("__dict__", "__weakref__") and hasattr(value, name):
            size += sized(getattr(value, name), depth - 1)
    return size
