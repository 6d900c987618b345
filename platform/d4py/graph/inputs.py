# SPDX-License-Identifier: Apache-2.0
"""Input data of a run: `-d JSON`, `-f FILE`, `-i N`.

dispel4py's form: `{PE: [{input: value}, ...]}` or `{PE: N}`, the PE by id or name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import InputError, did_you_mean, listed
from d4py.graph.pe import GenericPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d4py.graph.graph import WorkflowGraph

Calls = int | list[dict[str, Any]]


def parse(text: str, *, where: str) -> dict[str, Any]:
    """Read JSON; an error names line and column."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            hint="""Write it as '{"PE": [{"input": 1}]}' or '{"PE": 10}'.""",
        ) from None
    except RecursionError:
        raise InputError(f"{where} is nested too deep.", hint="""Write it as '{"PE": [{"input": 1}]}'.""") from None
    if not isinstance(value, dict):
        raise InputError(
            f"{where} is {type(value).__name__}, not an object.", hint="""Write it as '{"PE": [{"input": 1}]}'."""
        )
    return value


def read(path: str, name: str = "") -> dict[str, Any]:
    """Read a file of input data. name: what people call it, where that is not its path."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(
            f"The input file {name or path!r} cannot be read: {reason}.", hint="Check the path given with -f."
        ) from None
    return parse(text, where=f"The input file {name or path!r}")


def resolve(graph: WorkflowGraph, inputs: Mapping[Any, Any] | int | None) -> dict[str, Calls]:
    """Return what each PE of a flat graph is called with: N empty calls, or the given ones. Roots not named get one call."""
    roots = {pe.id for pe in graph.roots()}
    if inputs is None or isinstance(inputs, int):
        number = 1 if inputs is None else inputs
        if number < 0:
            raise InputError(f"The number of iterations is {number}.", hint="Give -i a whole number of at least 0.")
        return {pe.id or "": number for pe in graph.roots()}
    calls: dict[str, Calls] = {pe.id or "": 1 for pe in graph.roots()}
    for name, given in inputs.items():
        pe = _find(graph, name)
        assert pe.id is not None
        if pe.id not in roots and isinstance(given, int):
            raise InputError(
                f"PE {pe.id!r} is fed by another PE, so it has no iterations.", hint="Give it a list of inputs."
            )
        calls[pe.id] = _calls(pe, given)
    return calls


def _find(graph: WorkflowGraph, name: object) -> GenericPE:
    if isinstance(name, GenericPE):
        for pe in graph.pes:
            if pe is name:
                return pe
    found = [pe for pe in graph.pes if pe.id == name] or [pe for pe in graph.pes if pe.name == name]
    known = [pe.id for pe in graph.pes]
    if not found:
        raise InputError(
            f"There is no PE {name!r} to give input to; there is {listed(known)}.", hint=did_you_mean(name, known)
        )
    if len(found) > 1:
        raise InputError(
            f"The name {name!r} fits {len(found)} PEs: {listed(pe.id for pe in found)}.", hint="Name one by its id."
        )
    return found[0]


def _calls(pe: GenericPE, given: object) -> Calls:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if not isinstance(given, (list, tuple)):
        raise InputError(
            f"The input of PE {pe.id!r} is {given!r:.60}.",
            hint="Give a list of {input: value} objects, or a number of iterations.",
        )
    for number, call in enumerate(given):
        if not isinstance(call, dict):
            raise InputError(f"Input {number} of PE {pe.id!r} is {call!r:.60}.", hint="Give an object {input: value}.")
        known = None if pe.undeclared_ports else list(pe.inputconnections) or getattr(pe, "settable", None)
        unknown = [port for port in call if port not in known] if known is not None else []
        if unknown:
            raise InputError(
                f"PE {pe.id!r} has no input {unknown[0]!r}; it has {listed(known or ())}.",
                hint=did_you_mean(unknown[0], known or ()),
            )
    return list(given)
