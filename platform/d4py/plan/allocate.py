# SPDX-License-Identifier: Apache-2.0
"""How many instances each PE gets."""

from __future__ import annotations

from heapq import heapify, heappop, heapreplace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from d4py.errors import PlanError
from d4py.plan.plan import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.pe import GenericPE

_UNKNOWN: Mapping[str, float] = MappingProxyType({})


class Allocation(NamedTuple):
    """Instances per PE id, and why a PE that N could have multiplied was not."""

    counts: dict[str, int]
    notes: tuple[str, ...]


def allocate(
    graph: WorkflowGraph, processes: int, *, riders: Collection[str] = (), seconds: Mapping[str, float] = _UNKNOWN
) -> Allocation:
    """Share N processes out among the PEs of a flat graph.

    Roots get one, `numprocesses` above one is obeyed, as is what its resources ask for, and what is left goes to the PEs that may have several instances: stateless ones, those
    keyed by group-by, those that declare merge(). Equally, or as they cost. With fewer processes than instances, each of these gets N, and
    instances share processes. riders: PEs that will need no process of their own. seconds: what each PE takes, where that is known of all.
    """
    if processes < 1:
        raise PlanError(f"The number of processes is {processes}.", hint="Give -n a whole number of at least 1.")
    roots = {id(pe) for pe in graph.roots()}
    kinds = _groupings(graph)
    fixed: dict[str, int] = {}
    free: list[str] = []
    notes: list[str] = []
    for pe in graph.pes:
        assert pe.id is not None
        groupings = kinds.get(pe.id, set())
        if id(pe) in roots:
            fixed[pe.id] = 1
        elif "global" in groupings:
            fixed[pe.id] = 1
            if pe.numprocesses > 1 or processes > 1:
                notes.append(f"PE {pe.id!r} has one instance: its input is global. Give it merge(), or group by a key.")
        elif pe.numprocesses > 1 or pe.resources.processes:
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
    taken = sum(number for name, number in fixed.items() if name not in riders)
    keyed = {name for name in free if "key" in kinds.get(name, set())}
    most = {name: PARTITIONS if name in keyed else processes for name in free}
    sharing = [name for name in free if name not in riders]
    if taken + len(sharing) > processes:
        shares = dict.fromkeys(sharing, processes)
    else:
        shares = _shared(sharing, processes - taken, most, seconds)
    shares |= {name: max(shares.values(), default=processes) for name in free if name in riders}
    counts = {pe.id or "": fixed.get(pe.id or "", shares.get(pe.id or "", 1)) for pe in graph.pes}
    return Allocation({name: min(number, most.get(name, number)) for name, number in counts.items()}, tuple(notes))


def _shared(names: list[str], number: int, most: dict[str, int], seconds: Mapping[str, float]) -> dict[str, int]:
    """Share a number of processes out: each goes to whoever has most to do for each that it has; of equals to the first."""
    weights = [seconds.get(name, 0.0) for name in names]
    if not all(weights):
        weights = [1.0] * len(names)
    shares = [1] * len(names)
    # So many are everyone's whatever the order; the rest one by one.
    if names and (each := number // len(names)) > 1 and len(set(weights)) == 1:
        shares = [min(each, most[name]) for name in names]
    waiting = [(-weight / share, at) for at, (weight, share) in enumerate(zip(weights, shares, strict=True))]
    waiting = [entry for entry in waiting if shares[entry[1]] < most[names[entry[1]]]]
    heapify(waiting)
    for _ in range(number - sum(shares)):
        if not waiting:
            break
        at = waiting[0][1]
        shares[at] += 1
        if shares[at] < most[names[at]]:
            heapreplace(waiting, (-weights[at] / shares[at], at))
        else:
            heappop(waiting)
    return dict(zip(names, shares, strict=True))


def grouping_of(pe: GenericPE, input: str) -> tuple[str, tuple[object, ...]]:
    """Return the kind of grouping of an input and its key."""
    grouping = pe.inputconnections[input].get("grouping")
    if grouping is None or grouping in ("shuffle", "none"):
        return "shuffle", ()
    if isinstance(grouping, str):
        return grouping, ()
    key = tuple(grouping)
    return ("key", key) if key else ("shuffle", ())


def _groupings(graph: WorkflowGraph) -> dict[str | None, set[str]]:
    """Return the kinds of grouping by reader."""
    kinds: dict[str | None, set[str]] = {}
    for edge in graph.connections:
        reader = cast("GenericPE", edge.reader)  # the graph is flat
        kinds.setdefault(reader.id, set()).add(grouping_of(reader, edge.input)[0])
    return kinds
