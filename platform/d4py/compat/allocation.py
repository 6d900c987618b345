# SPDX-License-Identifier: Apache-2.0
"""How dispel4py counts instances, and what its partitions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.errors import PlanError
from d4py.plan.layout import Assignment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.pe import GenericPE


def wanted(graph: WorkflowGraph) -> int:
    """Return how many processes a flat graph needs at least: one for each root, and for every other PE as many as it wants."""
    roots = {id(pe) for pe in graph.roots()}
    return sum(1 if id(pe) in roots else pe.numprocesses for pe in graph.pes)


def counted(graph: WorkflowGraph, processes: int) -> Assignment:
    """Share N processes out, at least as many as are wanted.

    Roots and `single` PEs get one instance, `numprocesses` above one is obeyed, and all others get the same number.
    """
    roots = {id(pe) for pe in graph.roots()}
    each = (processes - len(roots)) // max(1, wanted(graph) - len(roots))

    def instances(pe: GenericPE) -> int:
        if id(pe) in roots or getattr(pe, "single", False):
            return 1
        return pe.numprocesses if pe.numprocesses > 1 else each

    return Assignment({pe.id or "": instances(pe) for pe in graph.pes})


def partitioned(
    graph: WorkflowGraph,
    processes: int,
    given: Sequence[Sequence[GenericPE]] = (),
    numbers: Mapping[int, int] | None = None,
) -> Assignment:
    """Let the PEs of a partition share a process, and have partitions counted as PEs are: of those that others feed there may be several.

    given: partitions, of PEs of the graph; without them the roots are one, and all others another. numbers: processes by partition.
    """
    roots = {pe.id or "" for pe in graph.roots()}
    ids = [pe.id or "" for pe in graph.pes]
    parts = [[pe.id or "" for pe in part] for part in given] or [
        [name for name in ids if (name in roots) is of_roots] for of_roots in (True, False)
    ]
    left = set(ids).difference(*parts)
    if left:
        raise PlanError(f"PE {min(left)!r} is in no partition.", hint="Name each PE in graph.partitions.")
    home = {name: index for index, part in enumerate(parts) for name in part}
    edges = [(home[edge.writer.id or ""], home[edge.reader.id or ""]) for edge in graph.connections]  # type: ignore[union-attr]
    fed = {reader for writer, reader in edges if writer != reader}
    copies = {index: (numbers or {}).get(index, 1) for index in fed}
    each = max(1, (processes - (len(parts) - len(fed))) // max(1, sum(copies.values())))
    instances = {name: copies[home[name]] if copies.get(home[name], 1) > 1 else each for name in ids}
    instances |= {name: 1 for name in ids if name in roots or home[name] not in fed}
    return Assignment(instances, [part for part in parts if part])
