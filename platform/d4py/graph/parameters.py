# SPDX-License-Identifier: Apache-2.0
"""Values given with `--set name=value`, checked against annotations and defaults."""

from __future__ import annotations

import typing
from os import PathLike
from typing import Any

from d4py.errors import ParameterError, did_you_mean, listed
from d4py.graph.function import FunctionPE
from d4py.graph.types import hints_of, spelled

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d4py.graph.graph import WorkflowGraph

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def converted(name: str, value: object, hint: object, default: object = None) -> object:
    """Return a value as its annotation asks; text from the command line is parsed. Raises ParameterError."""
    kinds = _kinds(hint if hint is not None else (type(default) if default is not None else None))
    if kinds is None:
        return value
    if not isinstance(value, str):
        if type(None) in kinds and value is None:
            return None
        if any(_is(value, kind) for kind in kinds):
            return float(value) if float in kinds and isinstance(value, int) and int not in kinds else value
    elif str in kinds:
        return value
    for kind in kinds:
        try:
            return _parse(value, kind)
        except (ValueError, TypeError, SyntaxError):
            continue
    raise ParameterError(
        f"Parameter {name!r} takes {' or '.join(spelled(kind) for kind in kinds)}, not {value!r}.",
        hint=f"Write --set {name}={_example(kinds[0])}.",
    )


def takes_path(hint: object) -> bool:
    """Whether a parameter with this annotation may be a path."""
    return any(issubclass(kind, PathLike) for kind in _kinds(hint) or ())


def set_on_graph(graph: WorkflowGraph, values: Mapping[str, object]) -> None:
    """Set parameters of function PEs: `name` where one PE has it, else `pe.name`."""
    functions = [pe for pe in graph.pes if isinstance(pe, FunctionPE)]
    for full, value in values.items():
        owner, _, name = full.rpartition(".")
        found = [pe for pe in functions if name in pe.settable and owner in ("", pe.id, pe.name)]
        if not found:
            known = sorted({parameter for pe in functions for parameter in pe.settable})
            raise ParameterError(
                f"No PE has a parameter {full!r}; there is {listed(known)}."
                if known
                else f"This workflow has no parameter {full!r}; it has none.",
                hint=did_you_mean(name, known),
            )
        if len(found) > 1:
            raise ParameterError(
                f"Parameter {full!r} belongs to several PEs: {listed(pe.id for pe in found)}.",
                hint=f"Write --set {found[0].id}.{name}=...",
            )
        pe = found[0]
        pe.parameters[name] = converted(full, value, hints_of(pe.function).get(name), default_of(pe.function, name))


def call_configure(configure: Callable[..., Any], values: Mapping[str, object]) -> Any:
    """Call a module's `configure` with checked parameters."""
    code = configure.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    takes_any = bool(code.co_flags & 0x08)  # inspect.CO_VARKEYWORDS
    hints = hints_of(configure)
    arguments = {}
    for name, value in values.items():
        if name not in names and not takes_any:
            raise ParameterError(
                f"This workflow has no parameter {name!r}; it has {listed(names)}.", hint=did_you_mean(name, names)
            )
        arguments[name] = converted(name, value, hints.get(name), default_of(configure, name))
    missing = [name for name in names if name not in arguments and default_of(configure, name) is _NONE]
    if missing:
        raise ParameterError(f"Parameter {missing[0]!r} has no default.", hint=f"Give it: --set {missing[0]}=...")
    return configure(**arguments)


_NONE: Any = type("_NoDefault", (), {"__repr__": lambda _self: "nothing"})()


def default_of(function: Callable[..., Any], name: str) -> Any:
    """Return a parameter's default, or a marker where it has none."""
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    if name in positional:
        place = positional.index(name) - (len(positional) - len(defaults))
        return defaults[place] if place >= 0 else _NONE
    return (function.__kwdefaults__ or {}).get(name, _NONE)


def _kinds(hint: object) -> list[type] | None:
    if hint is None or hint is Any or hint is type(_NONE):
        return None
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        return [hint]
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return None
    import types

    if origin in (typing.Union, types.UnionType):
        kinds = [kind for part in typing.get_args(hint) for kind in (_kinds(part) or [])]
        return kinds or None
    return [origin] if isinstance(origin, type) else None


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) or (kind is float and isinstance(value, int))


def _parse(text: object, kind: type) -> object:
    if kind is bool:
        word = str(text).lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(text)
    if kind is type(None):
        if str(text).lower() in ("none", ""):
            return None
        raise ValueError(text)
    if not isinstance(text, str):
        raise TypeError(text)
    if kind in (list, tuple, dict, set):
        import ast

        value = ast.literal_eval(text)
        if kind is tuple and isinstance(value, list):
            return tuple(value)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value
    return kind(text)


def _example(kind: type) -> str:
    examples: dict[type, str] = {
        int: "10",
        float: "0.5",
        bool: "true",
        str: "text",
        list: "[1,2]",
        tuple: "(1,2)",
        dict: "{}",
    }
    return examples.get(kind, "...")
