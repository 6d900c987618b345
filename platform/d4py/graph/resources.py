# SPDX-License-Identifier: Apache-2.0
"""What a PE asks for: `[resources.PE]` of workflow.toml, and `--resource PE.NAME=VALUE`, which goes before it.

Whoever places instances reads it: the plan, a job of Slurm, a pod.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from d4py.errors import ResourceError, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.pe import GenericPE

Table = dict[str, dict[str, Any]]  # by PE what is asked for, as TOML or the command line has it

_SIZE = re.compile(r"(\d{1,12})([KMGT])i?B?")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What is asked for a PE; of what nobody asked for there is 0."""

    processes: int = 0  # instances, of which each gets a process while there are enough
    threads: int = 0  # that numerical libraries make in a process with an instance of it
    memory: int = 0  # bytes, for each instance
    per_node: int = 0  # instances that one node may have


NONE = Resources()
_NAMES = [field.name for field in fields(Resources)]


def claim(graph: WorkflowGraph, tables: Iterable[tuple[Mapping[str, object], str]]) -> None:
    """Give the PEs of a flat graph what tables ask for them, each with where it is from; of several the last counts. Raises ResourceError."""
    for table, where in tables:
        for name, asked in table.items():
            pes = [pe for pe in graph.pes if name in (pe.id, pe.name)]
            if not pes:
                known = [pe.id for pe in graph.pes]
                raise ResourceError(
                    f"{where} asks for resources of {name!r}; the workflow has the PEs {listed(known)}.",
                    hint=did_you_mean(name, known),
                )
            given = read(asked, f"{where}, {name}")
            for pe in pes:
                pe.resources = replace(pe.resources, **given)
                _obey(graph, pe, where)


def _obey(graph: WorkflowGraph, pe: GenericPE, where: str) -> None:
    wanted = pe.resources.processes
    if wanted > 1 and pe in graph.roots():
        raise ResourceError(
            f"{where} asks for {wanted} processes for {pe.id!r}, which is a source and has one instance.",
            hint="Give processes to the PEs that read from it.",
        )
    pe.numprocesses = wanted or pe.numprocesses


def read(asked: object, where: str) -> dict[str, int]:
    """Return what is asked for one PE, as numbers. Raises ResourceError."""
    if not isinstance(asked, dict):
        raise ResourceError(
            f"{where}: {asked!r:.40} is no table.", hint="Write [resources.PE], and below it threads = 4."
        )
    return {name: _number(name, value, where) for name, value in asked.items()}


def _number(name: str, value: object, where: str) -> int:
    if name not in _NAMES:
        raise ResourceError(
            f"{where}: there is no {name!r}; there is {listed(_NAMES)}.", hint=did_you_mean(name, _NAMES)
        )
    if name == "memory":
        number = parsed_size(value)
        if not number:
            raise ResourceError(f"{where}: memory is {value!r:.40}.", hint='Write a size such as "512M" or "8G".')
        return number
    text = str(value)
    number = int(text) if type(value) is not bool and text.isascii() and text.isdigit() and len(text) < 8 else 0
    if not 1 <= number <= _MOST:
        raise ResourceError(f"{where}: {name} is {value!r:.40}.", hint="Give a whole number of at least 1.")
    return number


def merged(tables: Iterable[tuple[Mapping[str, object], str]], name: str) -> int:
    """Return the most that any PE asks for, before there is a graph: numerical libraries look for it when they are loaded."""
    asked: dict[str, int] = {}
    for table, where in tables:
        for pe, one in table.items():
            asked[pe] = read(one, f"{where}, {pe}").get(name, asked.get(pe, 0))
    return max(asked.values(), default=0)


def parsed_size(text: object) -> int:
    """Return the bytes that `8G` means; 0 for what is no size."""
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    return int(found[1]) * _UNITS[found[2]] if found else 0


def size(number: int) -> str:
    """Return a size as people write it."""
    unit = next((unit for unit in reversed(_UNITS) if number >= _UNITS[unit]), "K")
    return f"{-(-number * 10 // _UNITS[unit]) / 10:g}{unit}"
