# SPDX-License-Identifier: Apache-2.0
"""How many instances each PE gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import PlanError
from d4py.plan.plan import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Collection

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.pe import GenericPE


class Allocation(NamedTuple):
    """Instances per PE id, and why a PE that N could have multiplied was not."""

    counts: dict[str, int]
    notes: tuple[str, ...]


def allocate(graph: WorkflowGraph, processes: int, riders: Collection[str] = ()) -> Allocation:
    """Share N processes out among the PEs of a flat graph.

    As dispel4py: roots get one; `numprocesses` above one is obeyed, and counts as so many when what is left is shared equally. But only
    PEs that may have several instances take part: stateless ones, those keyed by group-by, those that declare merge(). With fewer
    processes than instances, each of these gets N, and instances share processes. riders: PEs that will need no process of their own.
    """
    if processes < 1:
        raise PlanError(f"The number of processes is {processes}.", hint="Give -n a whole number of at least 1.")
    roots = {id(pe) for pe in graph.roots()}
    fixed: dict[str, int] = {}
    free: list[str] = []
    notes: list[str] = []
    for pe in graph.pes:
        assert pe.id is not None
        groupings = _groupings(graph, pe)
        if id(pe) in roots:
            fixed[pe.id] = 1
        elif "global" in groupings:
            fixed[pe.id] = 1
            if pe.numprocesses > 1 or processes > 1:
                notes.append(f"PE {pe.id!r} has one instance: its input is global. Give it merge(), or group by a key.")
        elif pe.numprocesses > 1:
            fixed[pe.id] = pe.numprocesses
        elif "all" not in groupings and (pe.stateless or hasattr(pe, "merge") or groupings == {"key"}):
            free.append(pe.id)
        else:
            fixed[pe.id] = 1
            if processes > 1:
                notes.append(
                    f"PE {pe.id!r} has one instance: it keeps state. If it does not, set stateless = True; else group its input by a key, "
                    "define merge(), or set numprocesses."
                )
        if "key" in groupings and fixed.get(pe.id, 1) > PARTITIONS:
            raise PlanError(
                f"PE {pe.id!r} wants {fixed[pe.id]} instances; a keyed PE can have {PARTITIONS}.",
                hint="Lower numprocesses.",
            )
    obeyed = sum(number for name, number in fixed.items() if number > 1 and name not in riders)
    ones = sum(number == 1 for name, number in fixed.items() if name not in riders)
    sharing = obeyed + sum(name not in riders for name in free)
    share = (processes - ones) // sharing if ones + sharing <= processes and sharing else processes
    counts = {pe.id or "": fixed.get(pe.id or "", max(1, share)) for pe in graph.pes}
    for name in free:
        if "key" in _groupings(graph, _by_id(graph, name)):
            counts[name] = min(counts[name], PARTITIONS)
    return Allocation(counts=counts, notes=tuple(notes))


def grouping_of(pe: GenericPE, input: str) -> tuple[str, tuple[object, ...]]:
    """Return the kind of grouping of an input and its key."""
    grouping = pe.inputconnections[input].get("grouping")
    if grouping is None or grouping in ("shuffle", "none"):
        return "shuffle", ()
    if isinstance(grouping, str):
        return grouping, ()
    key = tuple(grouping)
    return ("key", key) if key else ("shuffle", ())


def _groupings(graph: WorkflowGraph, pe: GenericPE) -> set[str]:
    return {grouping_of(pe, edge.input)[0] for edge in graph.connections if edge.reader is pe}


def _by_id(graph: WorkflowGraph, name: str) -> GenericPE:
    return next(pe for pe in graph.pes if pe.id == name)
