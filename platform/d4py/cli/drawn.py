# SPDX-License-Identifier: Apache-2.0
"""What there is to draw of a workflow graph: boxes, arrows, and how they are labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from d4py.graph.check import ordered
from d4py.graph.pe import GenericPE
from d4py.plan.allocate import grouping_of

if TYPE_CHECKING:
    from d4py.graph.graph import WorkflowGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A PE."""

    id: str
    name: str
    note: str
    source: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A connection; `leaves` where nobody reads the output, so that it is the run's."""

    start: str
    end: str
    output: str
    input: str
    grouping: str
    leaves: bool = False

    @property
    def label(self) -> str:
        """What is not plain: ports that don't have the usual names, and the grouping."""
        if self.leaves:
            return self.output
        ports = (
            ""
            if (self.output, self.input) == ("output", "input")
            else f"{self.output} → {self.input}"
            if self.output != self.input
            else self.output
        )
        return ", ".join(part for part in (ports, self.grouping) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A graph, writers before readers."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def drawn(title: str, graph: WorkflowGraph) -> Drawn:
    """Return what there is to draw of a flat graph. Raises CycleError."""
    order = ordered(graph)
    roots = {pe.id for pe in graph.roots()}
    arrows = [
        Arrow(
            start=_id(edge.writer),
            end=_id(edge.reader),
            output=edge.output,
            input=edge.input,
            grouping=_grouping(edge.reader, edge.input),
        )
        for edge in graph.connections
    ]
    read = {(arrow.start, arrow.output) for arrow in arrows}
    for pe in order:
        arrows.extend(
            Arrow(start=_id(pe), end=f"{_id(pe)}\0{output}", output=output, input="", grouping="", leaves=True)
            for output in pe.outputconnections
            if (_id(pe), output) not in read
        )
    boxes = tuple(Box(id=_id(pe), name=_id(pe), note=_note(pe, pe.id in roots), source=pe.id in roots) for pe in order)
    return Drawn(title=title, boxes=boxes, arrows=tuple(arrows))


def _note(pe: GenericPE, root: bool) -> str:
    words = ["live source" if pe.live else "source"] if root else []
    if pe.numprocesses > 1:
        words.append(f"{pe.numprocesses} instances")
    elif pe.stateless and not root:
        words.append("stateless")
    elif hasattr(pe, "merge"):
        words.append("merges")
    return ", ".join(words)


def _grouping(reader: object, input: str) -> str:
    assert isinstance(reader, GenericPE)
    kind, key = grouping_of(reader, input)
    return f"by {', '.join(str(element) for element in key)}" if kind == "key" else "" if kind == "shuffle" else kind


def _id(node: object) -> str:
    assert isinstance(node, GenericPE), "the graph is flat"
    return node.id or node.name
