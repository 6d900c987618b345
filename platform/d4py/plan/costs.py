# SPDX-License-Identifier: Apache-2.0
"""What PEs cost, and which of them should therefore run as one: known from earlier runs of the same workflow, or declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from d4py.graph.pe import GenericPE
from d4py.plan.allocate import grouping_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import Connection, WorkflowGraph
    from d4py.plan.plan import Plan

HOP_S = 0.5e-6  # what it costs to send an item to another process among many, both sides together


@dataclass(frozen=True, slots=True)
class Cost:
    """What one PE took in a run: seconds of its own, and for how many items; of a root, items written."""

    seconds: float
    items: int


Costs = dict[str, Cost]  # by PE id


class Joining(NamedTuple):
    """Connections to fuse, the number of instances that this needs, and why. riders: PEs that take less than to send them their items."""

    edges: list[Connection]
    counts: dict[str, int]
    riders: set[str]
    notes: tuple[str, ...]


def costs_of(graph: WorkflowGraph, measured: Mapping[str, Cost]) -> Costs:
    """Return what is known of each PE: what was measured, else what it declares, for one item."""
    found = {}
    for pe in graph.pes:
        name = pe.id or ""
        if name in measured:
            found[name] = measured[name]
        elif pe.cost is not None:
            found[name] = Cost(pe.cost, 1)
    return found


def learned(
    plan: Plan, seconds: Mapping[int, float], counts: Mapping[str, Mapping[str, int]], known: Mapping[str, Cost]
) -> Costs:
    """Share what each cell took among its PEs: as they were known to take before, else equally.

    seconds: by cell. counts: items read and written by PE.
    """
    items = {name: count["read"] or count["written"] for name, count in counts.items()}
    expected = {
        name: known[name].seconds / max(1, known[name].items) * number if name in known else None
        for name, number in items.items()
    }
    taken = dict.fromkeys(items, 0.0)
    for cell in plan.cells:
        names = [plan.instances[rank].pe for rank in cell.instances]
        weights = [expected[name] for name in names]
        total = sum(weight for weight in weights if weight)
        for name, weight in zip(names, weights, strict=True):
            share = 1 / len(names) if None in weights or not total else (weight or 0.0) / total
            taken[name] += seconds.get(cell.index, 0.0) * share
    return {name: Cost(taken[name], number) for name, number in items.items() if number}


def joining(
    graph: WorkflowGraph, order: Sequence[GenericPE], counts: Mapping[str, int], processes: int, costs: Costs
) -> Joining:
    """Fuse a reader with its writers where together they take no longer than apart, with what it costs to send the items.

    counts: instances that each PE would have apart. Of PEs whose cost is not known only those that read from cheap ones are fused with these.
    """
    chosen = dict(counts)
    home: dict[str, str] = {}  # PE -> the first of its group
    members: dict[str, list[str]] = {}
    edges: list[Connection] = []
    whole = sum(cost.seconds for cost in costs.values())
    for pe in order:
        name = pe.id or ""
        arriving = [edge for edge in graph.connections if edge.reader is pe]
        homes = {home[_id(edge.writer)] for edge in arriving}
        first = next(iter(homes)) if len(homes) == 1 else name
        if first != name and _fits(pe, arriving, chosen[first], counts[name]):
            group = [costs.get(member) for member in members[first]]
            if _cheaper(costs.get(name), group, chosen[first], counts[name], whole / processes):
                chosen[name] = chosen[first]
                edges.extend(arriving)
            else:
                first = name
        else:
            first = name
        home[name] = first
        members.setdefault(first, []).append(name)
    notes = [_note(names) for names in members.values() if len(names) > 1]
    riders = {_id(edge.reader) for edge in edges}
    riders = {name for name in riders if costs[name].seconds <= HOP_S * costs[name].items}
    return Joining(edges, chosen, riders, tuple(notes))


def _fits(pe: GenericPE, arriving: Sequence[Connection], writers: int, apart: int) -> bool:
    """Whether each instance of a PE could take all from its own instance of the group that feeds it."""
    if pe.numprocesses > 1 and writers != apart:
        return False
    if writers == 1:
        return True
    multipliable = pe.stateless or hasattr(pe, "merge") or writers == apart
    return multipliable and all(grouping_of(pe, edge.input)[0] == "shuffle" for edge in arriving)


def _cheaper(cost: Cost | None, group: Sequence[Cost | None], writers: int, apart: int, share: float) -> bool:
    """Whether a PE had better run in a group. share: what each process has to do at least."""
    if cost is None:
        return False
    hop = HOP_S * cost.items
    if cost.seconds <= hop:
        return True
    known = [member.seconds for member in group if member is not None]
    if len(known) < len(group):
        return False
    own = sum(known)
    longest = max((own + hop) / writers, (cost.seconds + hop) / apart, share)
    return (own + cost.seconds) / writers <= longest


def _note(names: Sequence[str]) -> str:
    return f"{', '.join(names)} run as one: by what they cost, sending the items between them would cost more. --no-fuse keeps them apart."


def _id(node: object) -> str:
    assert isinstance(node, GenericPE), "the graph is flat"
    return node.id or ""
