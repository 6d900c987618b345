# SPDX-License-Identifier: Apache-2.0
"""What a plan needs of nodes, and where its cells go when PEs say how many of their instances a node may have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from d4py.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.resources import Resources
    from d4py.plan.plan import Plan

RANK = 256 << 20  # bytes: a process before its instances have anything, the interpreter and the usual libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What each node of a run must have; 0 where nobody asked."""

    threads: int = 0  # of a process: processes are alike, so it is that of the PE which asks for most
    memory: int = 0  # bytes, of the node that needs most


def asked_of(graph: WorkflowGraph) -> dict[str, Resources]:
    """Return what is asked for by PE."""
    return {pe.id or "": pe.resources for pe in graph.pes}


def demand(plan: Plan, asked: Mapping[str, Resources], nodes: Sequence[int]) -> Demand:
    """Return what a plan needs. nodes: of each process the number of its node."""
    threads = max((one.threads for one in asked.values()), default=0)
    if not any(one.memory for one in asked.values()):
        return Demand(threads=threads)
    memory: Counter[int] = Counter({node: RANK * nodes.count(node) for node in set(nodes)})
    for cell in plan.cells:
        memory[nodes[cell.process]] += sum(asked[plan.instances[rank].pe].memory for rank in cell.instances)
    return Demand(threads=threads, memory=max(memory.values()))


def spread(plan: Plan, asked: Mapping[str, Resources], nodes: Sequence[int]) -> Plan:
    """Return the plan with its cells placed so that no node has more instances of a PE than it may. Raises PlanError where they do not fit.

    nodes: of each process the number of its node. Without such a wish the plan stays as it is.
    """
    limits = {pe: one.per_node for pe, one in asked.items() if one.per_node}
    if not limits:
        return plan
    wishes = [Counter(plan.instances[rank].pe for rank in cell.instances) for cell in plan.cells]
    bound = [any(pe in limits for pe in wish) for wish in wishes]
    there: Counter[tuple[int, str]] = Counter()
    laden = [0] * plan.processes
    places = [0] * len(plan.cells)
    for index in sorted(range(len(plan.cells)), key=lambda index: not bound[index]):
        fitting = [
            process
            for process in range(plan.processes)
            if all(there[nodes[process], pe] + number <= limits.get(pe, number) for pe, number in wishes[index].items())
            or not bound[index]
        ]
        if not fitting:
            raise _too_many(plan, wishes[index], limits, len(set(nodes)))
        before = plan.cells[index].process
        place = min(fitting, key=lambda process: (laden[process], process != before, process))
        places[index] = place
        laden[place] += 1
        for pe, number in wishes[index].items():
            there[nodes[place], pe] += number
    cells = tuple(replace(cell, process=place) for cell, place in zip(plan.cells, places, strict=True))
    return replace(plan, cells=cells)


def _too_many(plan: Plan, wish: Counter[str], limits: Mapping[str, int], nodes: int) -> PlanError:
    pe = next(pe for pe in wish if pe in limits)
    number = len(plan.instances_of(pe))
    return PlanError(
        f"PE {pe!r} has {number} instances, of which a node may have {limits[pe]}; there {'are' if nodes > 1 else 'is'} {nodes} "
        f"node{'s' if nodes > 1 else ''}.",
        hint="Ask for more nodes, fewer processes, or raise per_node.",
    )
