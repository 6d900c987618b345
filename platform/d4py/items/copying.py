# SPDX-License-Identifier: Apache-2.0
"""Copies of values for a second reader in the same process: what can't be changed is shared."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

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


def sized(value: Any) -> int:
    """Return about how many bytes a value holds: arrays exactly, containers by what is directly in them."""
    size = getattr(value, "nbytes", None)
    if type(size) is int:
        return size
    if type(value) in (tuple, list) and len(value) <= 64:
        return sum(sized(part) for part in value) + 64
    if type(value) is dict and len(value) <= 64:
        return sum(sized(part) for part in value.values()) + 64
    return sys.getsizeof(value, 64)
