# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.utils`: load a graph by the name of its file or module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import LoadError
from d4py.graph.graph import WorkflowGraph
from d4py.graph.load import Source, Workflow, find, load
from d4py.plan.keys import stable_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


def chosen(graphs: Mapping[str, WorkflowGraph]) -> str:
    """Return the name of the graph to run where none is named: the last in the order of the alphabet that is no composite."""
    whole = [name for name, graph in graphs.items() if not graph.inputmappings and not graph.outputmappings]
    if not whole:
        raise LoadError("There is no workflow graph.", hint="Assign one to a variable of the module.")
    return max(whole)


def loaded(graph_source: str, attr: str | None = None) -> Workflow:
    """Load a workflow as dispel4py chooses it."""
    try:
        return load(find(graph_source, variable=attr), choose=chosen)
    except LoadError as error:
        if graph_source.startswith("dispel4py.") and "There is no file" in error.message:
            raise LoadError(error.message, hint="It comes with stream-d4py: pip install stream-d4py.") from None
        raise


def load_graph(graph_source: str, attr: str | None = None) -> WorkflowGraph:
    """Load the graph of a module or a file. Raises LoadError."""
    return loaded(graph_source, attr).graph


def loadGraph(module_name: str, attr: str | None = None) -> WorkflowGraph:
    """Load the graph of a module. Raises LoadError."""
    return load(Source(name=module_name, kind="module", target=module_name, variable=attr), choose=chosen).graph


def loadGraphFromFile(module_name: str, path: str, attr: str | None = None) -> WorkflowGraph:
    """Load the graph of a file. Raises LoadError."""
    target = str(Path(path).resolve())
    return load(Source(name=module_name, kind="file", target=target, variable=attr), choose=chosen).graph


def findWorkflowGraph(mod: ModuleType, attr: str | None = None) -> WorkflowGraph:
    """Return the graph of a module that is loaded. Raises LoadError, and AttributeError where it has none of this name."""
    if attr is not None:
        graph: WorkflowGraph = getattr(mod, attr)
        return graph
    graphs = {name: value for name, value in vars(mod).items() if isinstance(value, WorkflowGraph)}
    return graphs[chosen(graphs)]


def make_hash(o: Any) -> int:
    """Return a hash that is the same in every process."""
    return stable_hash(o)


def total_size(o: Any, handlers: Any = None, verbose: bool = False) -> int:
    """Return about how many bytes an object takes, with all that is in it."""
    from sys import getsizeof

    seen: set[int] = set()

    def size(value: Any) -> int:
        if id(value) in seen:
            return 0
        seen.add(id(value))
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        inner = parts if isinstance(parts, (list, tuple, set, frozenset)) else ()
        return getsizeof(value, 0) + sum(size(part) for part in inner)

    return size(o)
