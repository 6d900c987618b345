# SPDX-License-Identifier: Apache-2.0
"""From a graph and N to a plan: instances, fused cells, channels, places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from d4py.errors import PlanError
from d4py.graph.check import ordered
from d4py.graph.pe import GenericPE
from d4py.plan.allocate import allocate, grouping_of
from d4py.plan.costs import costs_of
from d4py.plan.costs import joining as joining_of
from d4py.plan.plan import VERSION, Cell, Instance, Plan, Route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import Connection, WorkflowGraph
    from d4py.plan.costs import Costs

MOST = 1 << 20  # instances: a plan lists them
MOST_CHANNELS = 1 << 24  # a plan counts them; both ends of each keep a state
_Copy = tuple[str, int]  # PE id, instance number


@dataclass(frozen=True, slots=True)
class Assignment:
    """What runs where, as somebody else has decided. By PE id.

    instances: how many each PE has. partitions: PEs whose n-th instances share a process, each partition with processes of its own while there
    are enough; none where each instance has its own.
    """

    instances: Mapping[str, int]
    partitions: Sequence[Sequence[str]] = ()


def layout(
    graph: WorkflowGraph,
    processes: int,
    *,
    fuse: bool = True,
    measured: Costs | None = None,
    assignment: Assignment | None = None,
) -> Plan:
    """Lay a flat graph out on N processes.

    What costs less to run together is fused, where the costs are known. Where they are not, one-to-one chains are fused when there are more
    instances than processes. assignment: decides instead how many instances there are and which share a process.
    """
    order = ordered(graph)
    if assignment is not None:
        return _assigned(graph, order, processes, assignment, fuse=fuse)
    allocation = allocate(graph, processes)
    counts, notes = allocation.counts, allocation.notes
    _bounded(graph, counts)
    joined: list[Connection] = []
    costs = costs_of(graph, measured or {}) if fuse else {}
    if costs:
        riders = joining_of(graph, order, counts, processes, costs).riders
        seconds = {name: cost.seconds for name, cost in costs.items()}
        counts = allocate(graph, processes, riders=riders, seconds=seconds).counts
        joining = joining_of(graph, order, counts, processes, costs)
        joined, counts, notes = joining.edges, joining.counts, (*notes, *joining.notes)
    if fuse and sum(counts.values()) > processes:
        joined += [edge for edge in _one_to_one(graph, counts) if edge not in joined and not _known(edge, costs)]
    groups = _groups(order, counts, joined)
    loads = [sum(costs[name].seconds / counts[name] if name in costs else 0.0 for name, _ in group) for group in groups]
    return _plan(graph, order, counts, groups, joined, _places(groups, processes, loads), processes, notes)


def _assigned(
    graph: WorkflowGraph, order: list[GenericPE], processes: int, assignment: Assignment, *, fuse: bool
) -> Plan:
    """Lay a graph out as it was assigned; of a partition, one-to-one chains are fused."""
    counts = dict(assignment.instances)
    _bounded(graph, counts)
    partition_of = {name: index for index, names in enumerate(assignment.partitions) for name in names}
    joined = [
        edge
        for edge in (_one_to_one(graph, counts) if fuse and partition_of else ())
        if partition_of[_pe(edge.writer).id or ""] == partition_of[_pe(edge.reader).id or ""]
    ]
    groups = _groups(order, counts, joined)
    if not partition_of:
        places = _places(groups, processes)
    else:
        sizes = [max(counts[name] for name in names) for names in assignment.partitions]
        starts = [0, *accumulate(sizes)]
        places = [(starts[partition_of[group[0][0]]] + group[0][1]) % processes for group in groups]
    return _plan(graph, order, counts, groups, joined, places, processes, ())


def layout_whole(graph: WorkflowGraph) -> Plan:
    """Lay a flat graph out as one cell in one process: one instance of each PE, every connection fused."""
    order = ordered(graph)
    counts = {pe.id or "": 1 for pe in graph.pes}
    groups = [[(pe.id or "", 0) for pe in order]]
    return _plan(graph, order, counts, groups, list(graph.connections), [0], 1, ())


def _known(edge: Connection, costs: Costs) -> bool:
    return all((_pe(node).id or "") in costs for node in (edge.writer, edge.reader))


def _bounded(graph: WorkflowGraph, counts: dict[str, int]) -> None:
    """Refuse a plan too large to be made: between two PEs every instance may write to every other."""
    instances = sum(counts.values())
    channels = sum(counts[_pe(edge.writer).id or ""] * counts[_pe(edge.reader).id or ""] for edge in graph.connections)
    for number, what, most in ((instances, "instances", MOST), (channels, "channels", MOST_CHANNELS)):
        if number > most:
            raise PlanError(
                f"The plan would have {number:,} {what}; {most:,} are the most.",
                hint="Ask for fewer processes with -n.",
            )


def placed(plan: Plan, processes: int) -> Plan:
    """Return the same cells on another number of processes: what a resumed run may change."""
    groups = [
        [(plan.instances[rank].pe, plan.instances[rank].number) for rank in cell.instances] for cell in plan.cells
    ]
    places = _places(groups, processes)
    cells = tuple([replace(cell, process=place) for cell, place in zip(plan.cells, places, strict=True)])
    return replace(plan, processes=processes, cells=cells)


def _one_to_one(graph: WorkflowGraph, counts: dict[str, int]) -> list[Connection]:
    """Return the connections whose writer feeds nobody else and whose reader is fed by nobody else, instance by instance."""
    leaving: dict[int, int] = {}
    arriving: dict[int, int] = {}
    for edge in graph.connections:
        leaving[id(edge.writer)] = leaving.get(id(edge.writer), 0) + 1
        arriving[id(edge.reader)] = arriving.get(id(edge.reader), 0) + 1
    joined = []
    for edge in graph.connections:
        writer, reader = _pe(edge.writer), _pe(edge.reader)
        if leaving[id(writer)] > 1 or arriving[id(reader)] > 1:
            continue
        pair = counts[writer.id or ""], counts[reader.id or ""]
        if pair == (1, 1) or (pair[0] == pair[1] and grouping_of(reader, edge.input)[0] == "shuffle"):
            joined.append(edge)
    return joined


def _groups(order: list[GenericPE], counts: dict[str, int], joined: list[Connection]) -> list[list[_Copy]]:
    """Group copies into cells along the joined connections, in the order of the graph."""
    previous = {_pe(edge.reader).id or "": _pe(edge.writer).id or "" for edge in joined}
    groups: dict[str, list[list[_Copy]]] = {}  # of each PE, by number
    unique: list[list[_Copy]] = []
    for pe in order:
        name = pe.id or ""
        if name in previous:
            groups[name] = groups[previous[name]][: counts[name]]
            for number, group in enumerate(groups[name]):
                group.append((name, number))
        else:
            groups[name] = [[(name, number)] for number in range(counts[name])]
            unique += groups[name]
    return unique


def _plan(
    graph: WorkflowGraph,
    order: list[GenericPE],
    counts: dict[str, int],
    groups: list[list[_Copy]],
    joined: list[Connection],
    places: list[int],
    processes: int,
    notes: tuple[str, ...],
) -> Plan:
    roots = {pe.id or "" for pe in graph.roots()}
    stateless = {pe.id or "": pe.stateless for pe in order}
    cell_of = {copy: index for index, group in enumerate(groups) for copy in group}
    instances: list[Instance] = []
    first: dict[str, int] = {}  # the rank of each PE's first copy
    for pe in order:
        name = pe.id or ""
        first[name], of = len(instances), counts[name]
        instances += [Instance(first[name] + number, name, number, of, cell_of[name, number]) for number in range(of)]
    cells = [
        Cell(
            index,
            instances=tuple([first[name] + number for name, number in group]),
            process=places[index],
            stateless=all(stateless[name] for name, _ in group),
            source=group[0][0] in roots,
        )
        for index, group in enumerate(groups)
    ]
    routes = _routes(graph, counts, joined)
    return Plan(
        version=VERSION,
        processes=processes,
        instances=tuple(instances),
        cells=tuple(cells),
        routes=routes,
        notes=notes,
    )


def _routes(graph: WorkflowGraph, counts: dict[str, int], joined: list[Connection]) -> tuple[Route, ...]:
    fused = {id(edge) for edge in joined}
    routes: list[Route] = []
    for edge in graph.connections:
        writer, reader = _pe(edge.writer), _pe(edge.reader)
        kind, key = grouping_of(reader, edge.input)
        routes.append(
            Route(
                index=len(routes),
                writer=writer.id or "",
                output=edge.output,
                reader=reader.id or "",
                input=edge.input,
                grouping=kind,
                key=key,
                fused=id(edge) in fused,
            )
        )
    keyed = {route.reader for route in routes if route.grouping in ("key", "all")}
    for pe in graph.pes:
        name = pe.id or ""
        if counts[name] > 1 and hasattr(pe, "merge") and name not in keyed:
            routes.append(Route(index=len(routes), writer=name, output="", reader=name, input="", grouping="merge"))
    return tuple(routes)


def _places(groups: list[list[_Copy]], processes: int, loads: Sequence[float] = ()) -> list[int]:
    """Give each cell a process: its own where there are enough.

    Else, where all loads are known, the heaviest first goes to the process with least; where not, the n-th copy of a PE to the n-th process,
    and the rest to the emptiest.
    """
    if len(groups) <= processes:
        return list(range(len(groups)))
    places = [0] * len(groups)
    if loads and all(loads):
        laden = [0.0] * processes
        for index in sorted(range(len(groups)), key=lambda index: (-loads[index], index)):
            places[index] = min(range(processes), key=lambda process: (laden[process], process))
            laden[places[index]] += loads[index]
        return places
    load = [0] * processes
    numbers: dict[str, int] = {}  # the last copy of each PE
    for group in groups:
        for name, number in group:
            numbers[name] = max(number, numbers.get(name, 0))
    for index, group in enumerate(groups):
        name, number = group[0]
        if numbers[name] > 0:
            places[index] = number % processes
            load[places[index]] += 1
    for index, group in enumerate(groups):
        if numbers[group[0][0]] == 0:
            places[index] = min(range(processes), key=lambda process: (load[process], process))
            load[places[index]] += 1
    return places


def _pe(node: object) -> GenericPE:
    assert isinstance(node, GenericPE), "the graph is flat"
    return node
