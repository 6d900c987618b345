# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.workflow_graph`: the graph, with dispel4py's ids and nodes, and its picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import GraphError, UsageError
from d4py.graph import graph as own
from d4py.graph.check import ordered
from d4py.graph.pe import GenericPE

if TYPE_CHECKING:
    from collections.abc import Iterator


FROM_CONNECTION = "from_connection"
TO_CONNECTION = "to_connection"
DIRECTION = "direction"


class WorkflowNode:
    """What a graph holds: a PE or a composite. A PE gets its id here, from its name and a count of all PEs of the process."""

    WORKFLOW_NODE_PE = 0
    WORKFLOW_NODE_FN = 1
    WORKFLOW_NODE_CP = 2
    node_counter = 0

    def __init__(self, obj: own.Node) -> None:
        self.obj = obj
        if isinstance(obj, GenericPE):
            obj.id = f"{obj.name}{WorkflowNode.node_counter}"
            WorkflowNode.node_counter += 1
            self.nodeType = self.WORKFLOW_NODE_PE
            self.inputs: list[dict[str, Any]] = [{} for _ in obj.inputconnections]
            self.outputs: list[dict[str, Any]] = [{} for _ in obj.outputconnections]
        else:
            self.nodeType = self.WORKFLOW_NODE_CP
            self.inputs = [{} for _ in obj.inputmappings]
            self.outputs = [{} for _ in obj.outputmappings]

    def get_contained_object(self) -> own.Node:
        """Return the PE or composite."""
        return self.obj

    getContainedObject = get_contained_object


class WorkflowGraph(own.WorkflowGraph):
    """PEs and their connections. `partitions` and `numprocesses` may be set on it: what the option -s makes of it."""

    partitions: list[list[GenericPE]]
    numprocesses: dict[int, int]

    def __init__(self) -> None:
        super().__init__()
        self.objToNode: dict[own.Node, WorkflowNode] = {}

    def add(self, n: own.Node) -> WorkflowNode:  # type: ignore[override]
        """Add a PE or a composite; return its node."""
        if n not in self.objToNode:
            if isinstance(n, (GenericPE, own.WorkflowGraph)):
                self.objToNode[n] = WorkflowNode(n)
            super().add(n)  # says what is wrong with anything else
        return self.objToNode[n]

    def connect(self, from_node: own.Node, from_connection: str, to_node: own.Node, to_connection: str) -> None:
        """Connect an output to an input; what is not in the graph yet is added. An output need not be declared."""
        self.add(from_node)
        if isinstance(from_node, GenericPE) and from_connection not in from_node.outputconnections:
            from_node._add_output(from_connection)
        super().connect(from_node, from_connection, to_node, to_connection)

    def flatten(self) -> WorkflowGraph:
        """Replace every composite by what is in it, here; return the graph. What no mapping knows is left out, and said so."""
        flat = super().flatten()
        known = self._all_nodes()
        self.nodes, self.connections = list(flat.nodes), list(flat.connections)
        self.objToNode = {pe: known.get(pe) or _node(pe) for pe in flat.pes}
        for pe in flat.pes:
            for port in pe.inputconnections.values():
                _known_grouping(pe, port)
        return self

    def _all_nodes(self) -> dict[own.Node, WorkflowNode]:
        nodes = dict(self.objToNode)
        for graph in self._graphs():
            nodes |= getattr(graph, "objToNode", {})
        return nodes

    @property
    def graph(self) -> Any:
        """The nodes and edges as an undirected networkx graph, made anew; to look at, not to change."""
        import networkx as nx

        drawn = nx.Graph()
        drawn.add_nodes_from(self.objToNode[node] for node in self.nodes)
        for edge in self.connections:
            ends = self.objToNode[edge.writer], self.objToNode[edge.reader]
            if drawn.has_edge(*ends):
                drawn.edges[ends]["ALL_CONNECTIONS"].append((edge.output, edge.input))
            else:
                drawn.add_edge(
                    *ends,
                    FROM_CONNECTION=edge.output,
                    TO_CONNECTION=edge.input,
                    DIRECTION=(edge.writer, edge.reader),
                    ALL_CONNECTIONS=[(edge.output, edge.input)],
                )
        return drawn

    def get_contained_objects(self) -> list[Any]:
        """Return the PEs, by id."""
        return sorted((node.obj for node in self.objToNode.values()), key=lambda node: str(getattr(node, "id", "")))

    getContainedObjects = get_contained_objects

    def propagate_types(self) -> None:
        """Give each PE the types of what it will read, writers first."""
        flat = self.flatten()
        for pe in ordered(flat):
            types: dict[str, Any] = {}
            for edge in flat.connections:
                if edge.reader is pe:
                    types[edge.input] = edge.writer.get_output_types()[edge.output]  # type: ignore[union-attr]
            pe.set_input_types(types)  # type: ignore[attr-defined]


def _node(pe: GenericPE) -> WorkflowNode:
    """Return a node for a PE that has its id already."""
    name, number = pe.id, WorkflowNode.node_counter
    node = WorkflowNode(pe)
    pe.id, WorkflowNode.node_counter = name, number
    return node


def _known_grouping(pe: GenericPE, port: dict[str, Any]) -> None:
    """Let an input that is grouped as nobody knows be shuffled, as dispel4py does."""
    grouping = port.get("grouping")
    if grouping is None or isinstance(grouping, (list, tuple)) or grouping in ("all", "global", "shuffle", "none"):
        return
    del port["grouping"]
    print(f"d4py: note: PE {pe.id!r} is grouped by {grouping!r}, which nobody knows: it is shuffled", file=sys.stderr)


def draw(graph: own.WorkflowGraph) -> str:
    """Return the graph in the dot language, ports and composites drawn."""
    names: dict[int, str] = {}
    lines = ["digraph request", "{", "node [shape=Mrecord, style=filled, fillcolor=white];"]
    lines += _nodes(graph, names)
    lines += _edges(graph, names)
    return "\n".join([*lines, "}", ""])


def _nodes(graph: own.WorkflowGraph, names: dict[int, str], level: int = 0) -> Iterator[str]:
    for node in graph.nodes:
        if isinstance(node, own.WorkflowGraph):
            yield f"subgraph cluster_{len(names)} {{"
            yield f'label="{getattr(node, "name", type(node).__name__)}"; style=filled; color=lightgrey;'
            names[id(node)] = ""
            yield from _nodes(node, names, level + 1)
            yield "}"
            continue
        names[id(node)] = f"pe{len(names)}"
        ports = (_ports("in", node.inputconnections), node.id or node.name, _ports("out", node.outputconnections))
        yield f'{names[id(node)]}[label="{{ {" | ".join(part for part in ports if part)} }}"];'


def _ports(kind: str, names: dict[str, Any]) -> str:
    ports = " | ".join(f"<{kind}_{name}>{name}" for name in names)
    return f"{{{ports}}}" if ports else ""


def _edges(graph: own.WorkflowGraph, names: dict[int, str]) -> Iterator[str]:
    for edge in graph.connections:
        writer, output = own._output(edge.writer, edge.output)
        reader, input = own._input(edge.reader, edge.input)
        yield f"{names[id(writer)]}:out_{output}->{names[id(reader)]}:in_{input};"
    for node in graph.nodes:
        if isinstance(node, own.WorkflowGraph):
            yield from _edges(node, names)


def drawDot(graph: own.WorkflowGraph, img_type: str = "png") -> bytes:
    """Return a picture of the graph, made by graphviz. Raises UsageError where there is none."""
    try:
        ran = subprocess.run(["dot", "-T", img_type], input=draw(graph).encode(), capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("There is no program dot.", hint="Install graphviz, or use d4py graph --svg.") from None
    if ran.returncode:
        raise GraphError(f"dot failed: {ran.stderr.decode(errors='replace').strip()}.", hint="Try another image type.")
    return ran.stdout


def write_image(graph: own.WorkflowGraph, filename: str, img_type: str = "png") -> None:
    """Write a picture of the graph, made by graphviz."""
    Path(filename).write_bytes(drawDot(graph, img_type))
