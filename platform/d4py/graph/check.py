# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a whole graph: errors are raised, doubts returned as warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.errors import CycleError, GraphError, did_you_mean
from d4py.graph.pe import GenericPE

if TYPE_CHECKING:
    from collections.abc import Collection

    from d4py.graph.graph import WorkflowGraph

_CALLED = ("preprocess", "process", "postprocess", "write", "log", "snapshot", "restore", "merge", "commit", "seek")
_REPLAYS = ("rerun", "spool")


def check(graph: WorkflowGraph, given: Collection[str] = ()) -> list[str]:
    """Check a flat graph; `given` are ids of PEs that get input data. Return warnings; raise GraphError."""
    if not graph.pes:
        raise GraphError("The graph has no PE.", hint="Connect PEs: graph.connect(a, 'output', b, 'input').")
    ordered(graph)
    fed = {id(edge.reader) for edge in graph.connections}
    warnings: list[str] = []
    for pe in graph.pes:
        _check_numbers(pe)
        if id(pe) in fed:
            warnings += _unprocessed(pe)
    return warnings + _unfed(graph, given)


def ordered(graph: WorkflowGraph) -> list[GenericPE]:
    """Return the PEs so that writers come before readers; raise CycleError where they can't."""
    waiting = {id(pe): 0 for pe in graph.pes}
    readers: dict[int, list[GenericPE]] = {key: [] for key in waiting}
    for edge in graph.connections:
        waiting[id(edge.reader)] += 1
        readers[id(edge.writer)].append(edge.reader)  # type: ignore[arg-type]
    ready = [pe for pe in graph.pes if not waiting[id(pe)]]
    order: list[GenericPE] = []
    for pe in ready:
        order.append(pe)
        for reader in readers[id(pe)]:
            waiting[id(reader)] -= 1
            if not waiting[id(reader)]:
                ready.append(reader)
    if len(order) < len(waiting):
        circle = [pe.id or pe.name for pe in graph.pes if waiting[id(pe)]]
        raise CycleError(
            f"PEs feed each other in a circle: {' -> '.join(circle[:6])}.",
            hint="A workflow graph must not have cycles.",
        )
    return order


def _unprocessed(pe: GenericPE) -> list[str]:
    """Warn of a PE that is fed but does nothing with what it gets; raise GraphError where its method is misspelt."""
    own = type(pe)
    base = next(kind for kind in own.__mro__ if issubclass(kind, GenericPE) and kind.__module__ == GenericPE.__module__)
    if own is base or own.process is not base.process or own._process is not base._process:
        return []
    wanted = "process" if base is GenericPE else "_process"
    names = [name for kind in own.__mro__ if kind.__module__ != GenericPE.__module__ for name in vars(kind)]
    near = did_you_mean(wanted, [name for name in names if not name.startswith("__")])
    if near:
        near = near.removeprefix("Did you mean ").removesuffix("?")
        raise GraphError(f"PE {pe.id!r} has no {wanted}(), but {near}.", hint=f"Define {wanted}().")
    return [f"PE {pe.id!r} has no {wanted}(): what it is sent is dropped."]


def _check_numbers(pe: GenericPE) -> None:
    for name in _CALLED:
        if name in vars(pe) and not callable(vars(pe)[name]):
            raise GraphError(f"PE {pe.id!r} has an attribute {name!r}, which d4py calls.", hint="Give it another name.")
    number = pe.numprocesses
    if type(number) is not int or number < 1:
        raise GraphError(f"PE {pe.id!r} has numprocesses = {number!r}.", hint="Give a whole number of at least 1.")
    for name, port in pe.inputconnections.items():
        grouping = port.get("grouping")
        named = isinstance(grouping, str) and grouping in ("global", "all", "shuffle", "none")
        if not (grouping is None or named or isinstance(grouping, (list, tuple))):
            raise GraphError(
                f"Input {name!r} of PE {pe.id!r} has grouping {grouping!r}.",
                hint="Use 'global', 'all', None, or a list of the elements that make the key, such as [0].",
            )
    if pe.replay not in _REPLAYS:
        raise GraphError(f"PE {pe.id!r} has replay = {pe.replay!r}.", hint="Use 'rerun' or 'spool'.")
    from d4py.graph.policy import Policy

    Policy.parse(pe.on_error, of=f"PE {pe.id!r}")


def _unfed(graph: WorkflowGraph, given: Collection[str]) -> list[str]:
    fed = {(id(edge.reader), edge.input) for edge in graph.connections}
    warnings: list[str] = []
    for pe in graph.pes:
        if pe.id in given:
            continue
        warnings += [
            f"Nothing feeds input {name!r} of PE {pe.id!r}. Connect it, or give data with -d."
            for name in pe.inputconnections
            if (id(pe), name) not in fed
        ]
    return warnings
