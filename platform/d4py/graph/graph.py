# SPDX-License-Identifier: Apache-2.0
"""The graph: which PEs there are and which output feeds which input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d4py.errors import GraphError, TypeMismatch, UnknownPort, did_you_mean, listed
from d4py.graph.pe import GenericPE
from d4py.graph.types import compatible, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Connection:
    """One output of one PE feeds one input of another."""

    writer: Node
    output: str
    reader: Node
    input: str


class Names:
    """Ids that are taken."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}  # by name, the number to try next

    def take(self, name: str) -> None:
        """Take a name."""
        self._taken.add(name)

    def free(self, name: str) -> str:
        """Return the name, or the first of name2, name3 ... that is free."""
        if name not in self._taken:
            return name
        number = self._next.get(name, 2)
        while f"{name}{number}" in self._taken:
            number += 1
        self._next[name] = number
        return f"{name}{number}"


class WorkflowGraph:
    """PEs and their connections. Composite graphs may stand where a PE may."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.connections: list[Connection] = []
        self.inputmappings: dict[str, tuple[Node, str]] = {}
        self.outputmappings: dict[str, tuple[Node, str]] = {}
        self._places: dict[int, int] = {}  # by id(): in the list of nodes
        self._names = Names()
        self._head: Node | None = None
        self._tail: Node | None = None

    def add(self, node: Node) -> Node:
        """Add a PE (or a composite); it gets its id here, from its name."""
        if isinstance(node, type) or not isinstance(node, (GenericPE, WorkflowGraph)):
            raise GraphError(f"{_described(node)} is not a PE.", hint=_called(node))
        if self._has(node):
            return node
        if isinstance(node, GenericPE):
            if not hasattr(node, "inputconnections") or not hasattr(node, "outputconnections"):
                raise GraphError(
                    f"PE class {type(node).__name__!r} does not call super().__init__().",
                    hint="Call it first in __init__.",
                )
            if node.id is None:
                node.id = self._names.free(node.name)
            self._names.take(node.id)
        self._places[id(node)] = len(self.nodes)
        self.nodes.append(node)
        return node

    def _has(self, node: Node) -> bool:
        """Whether a node is in the graph; found by where it was put, for a list of thousands is long."""
        if len(self._places) != len(self.nodes):
            self._places = {id(known): place for place, known in enumerate(self.nodes)}
        place = self._places.get(id(node))
        return place is not None and self.nodes[place] is node

    def __getstate__(self) -> dict[str, object]:
        """Leave out where nodes are: a copy has others."""
        return {**self.__dict__, "_places": {}}

    def connect(self, writer: Node, output: str, reader: Node, input: str) -> None:
        """Feed `input` of `reader` from `output` of `writer`; adds what is not in the graph yet."""
        self.add(writer)
        self.add(reader)
        source, source_port = _output(writer, output)
        target, target_port = _input(reader, input)
        given, wanted = (
            source.outputconnections[source_port].get("hint"),
            target.inputconnections[target_port].get("hint"),
        )
        if not compatible(given, wanted):
            raise TypeMismatch(
                f"PE {source.name!r} writes {spelled(given)} on {source_port!r}, but input {target_port!r} of "
                f"PE {target.name!r} takes {spelled(wanted)}.",
                hint="Change one annotation, or put a PE between them that converts.",
            )
        self.connections.append(Connection(writer, output, reader, input))

    def flatten(self) -> WorkflowGraph:
        """Return the same graph with every composite replaced by what is in it; ids are unique."""
        flat = WorkflowGraph()
        for pe in self._pes():
            flat.add(pe)
        taken = Names()
        for pe in flat.pes:
            pe.id = taken.free(pe.id or pe.name)
            taken.take(pe.id)
        for graph in self._graphs():
            for edge in graph.connections:
                source, output = _output(edge.writer, edge.output)
                target, input = _input(edge.reader, edge.input)
                flat.connections.append(Connection(source, output, target, input))
        return flat

    @property
    def pes(self) -> list[GenericPE]:
        """The PEs, composites opened, in the order in which they were added."""
        return list(self._pes())

    def roots(self) -> list[GenericPE]:
        """The PEs of a flat graph that no connection feeds."""
        fed = {id(edge.reader) for edge in self.connections}
        return [pe for pe in self.pes if id(pe) not in fed]

    @classmethod
    def _starting_with(cls, node: Node) -> WorkflowGraph:
        graph = cls()
        graph.add(node)
        graph._head = graph._tail = node
        return graph

    def __rshift__(self, other: Node) -> WorkflowGraph:
        if self._tail is None:
            raise GraphError(
                "This graph has no open end to connect with >>.", hint="Use graph.connect(a, 'output', b, 'input')."
            )
        if isinstance(other, WorkflowGraph) and other._head is not None and other._tail is not None:
            for node in other.nodes:
                self.add(node)
            self.connections.extend(other.connections)
            target, tail = other._head, other._tail
        else:
            self.add(other)
            target = tail = other
        self.connect(self._tail, only(self._tail, "output"), target, only(target, "input"))
        self._tail = tail
        return self

    def _graphs(self) -> Iterator[WorkflowGraph]:
        yield self
        for node in self.nodes:
            if isinstance(node, WorkflowGraph):
                yield from node._graphs()

    def _pes(self) -> Iterator[GenericPE]:
        for node in self.nodes:
            if isinstance(node, WorkflowGraph):
                yield from node._pes()
            else:
                yield node


Node = GenericPE | WorkflowGraph


def only(node: Node, kind: str) -> str:
    """Return the name of the one input or output of a node; `>>` needs exactly one."""
    if isinstance(node, WorkflowGraph):
        names: Sequence[str] = list(node.inputmappings if kind == "input" else node.outputmappings)
        title = "The composite"
    else:
        names = list(node.inputconnections if kind == "input" else node.outputconnections)
        title = f"PE {node.name!r}"
    if len(names) != 1:
        raise GraphError(
            f"{title} has {len(names)} {kind}s ({listed(names)}); >> needs exactly one.", hint="Use graph.connect()."
        )
    return names[0]


def _output(node: Node, name: str) -> tuple[GenericPE, str]:
    return _port(node, name, "output")


def _input(node: Node, name: str) -> tuple[GenericPE, str]:
    return _port(node, name, "input")


def _port(node: Node, name: str, kind: str) -> tuple[GenericPE, str]:
    if isinstance(node, WorkflowGraph):
        mappings = node.inputmappings if kind == "input" else node.outputmappings
        if name not in mappings:
            raise UnknownPort(
                f"The composite has no {kind} {name!r}; it has {listed(mappings)}.", hint=did_you_mean(name, mappings)
            )
        inner, inner_name = mappings[name]
        return _port(inner, inner_name, kind)
    ports = node.inputconnections if kind == "input" else node.outputconnections
    if name not in ports:
        raise UnknownPort(
            f"PE {node.name!r} has no {kind} {name!r}; it has {listed(ports)}.", hint=did_you_mean(name, ports)
        )
    return node, name


def _described(node: Any) -> str:
    if isinstance(node, type):
        return f"The class {node.__name__!r}"
    if callable(node):
        return f"The function {getattr(node, '__name__', node)!r}"
    return f"{node!r:.80}"


def _called(node: Any) -> str:
    from d4py.graph.function import Factory

    if isinstance(node, (type, Factory)):
        return f"Call it to make one: {getattr(node, '__name__', 'it')}()."
    if callable(node):
        return "Decorate it with @d4py.iterative, @d4py.producer or @d4py.consumer, and call it."
    return "Add objects of PE classes, composites, or decorated functions that were called."
