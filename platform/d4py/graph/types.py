# SPDX-License-Identifier: Apache-2.0
"""Type hints of ports: do two of them exclude each other?

Only plain classes and unions of them are judged; whatever else is annotated is taken on trust.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_GENERATOR = 0x20  # inspect.CO_GENERATOR, without the cost of importing inspect
_NUMBERS: dict[type, tuple[type, ...]] = {float: (int, bool), complex: (float, int, bool)}


def compatible(given: object, wanted: object) -> bool:
    """Return whether a value annotated `given` can be one annotated `wanted`."""
    givens, wanteds = _classes(given), _classes(wanted)
    if givens is None or wanteds is None:
        return True
    return any(_fits(one, other) for one in givens for other in wanteds)


def spelled(hint: object) -> str:
    """Return a hint as its author would write it."""
    return getattr(hint, "__name__", None) or str(hint)


def item_hint(function: Callable[..., Any], hint: object) -> object:
    """Return what a function sends per item: a generator's yield type, Optional's other half."""
    import typing

    if function.__code__.co_flags & _GENERATOR:
        if typing.get_origin(hint) in (Iterator, Iterable) or getattr(hint, "__name__", "") == "Generator":
            arguments = typing.get_args(hint)
            return arguments[0] if arguments else None
        return None
    return hint


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function's annotations, resolved where they can be."""
    if not getattr(function, "__annotations__", None):
        return {}
    import typing

    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, SyntaxError):
        return {}


def _classes(hint: object) -> tuple[type, ...] | None:
    """Return the classes a hint stands for, or None where it can't be judged."""
    if hint is None or hint is Any or hint is object:
        return None
    if isinstance(hint, type) and getattr(hint, "__origin__", None) is None:  # to Python 3.10 list[int] is a type too
        return (hint,)
    if "typing" not in sys.modules:
        return None
    import types
    import typing

    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found: list[type] = []
        for part in typing.get_args(hint):
            if part is type(None):
                continue
            classes = _classes(part)
            if classes is None:
                return None
            found.extend(classes)
        return tuple(found)
    origin = typing.get_origin(hint)
    return (origin,) if isinstance(origin, type) else None


def _fits(given: type, wanted: type) -> bool:
    try:
        return issubclass(given, wanted) or issubclass(wanted, given) or given in _NUMBERS.get(wanted, ())
    except TypeError:
        return True
