# SPDX-License-Identifier: Apache-2.0
"""Graphs that stand where a PE may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.errors import GraphError
from d4py.graph.function import SimpleFunctionPE
from d4py.graph.graph import WorkflowGraph, _input, _output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d4py.graph.pe import GenericPE


class CompositePE(WorkflowGraph):
    """A graph with inputs and outputs of its own, mapped to ports of PEs inside."""

    def __init__(self, create_graph: Callable[..., Any] | None = None, params: dict[str, Any] | None = None) -> None:
        super().__init__()
        if create_graph is not None:
            create_graph(self, **(params or {}))

    def _map_input(self, name: str, pe: GenericPE | WorkflowGraph, input: str) -> None:
        """Let input `name` of the composite feed `input` of a PE inside."""
        self.add(pe)
        _input(pe, input)
        self.inputmappings[name] = (pe, input)

    def _map_output(self, name: str, pe: GenericPE | WorkflowGraph, output: str) -> None:
        """Let `output` of a PE inside be output `name` of the composite."""
        self.add(pe)
        _output(pe, output)
        self.outputmappings[name] = (pe, output)

    def __rshift__(self, other: GenericPE | WorkflowGraph) -> WorkflowGraph:
        return WorkflowGraph._starting_with(self) >> other


def create_iterative_chain(
    functions: Sequence[Any],
    FunctionPE_class: Callable[[], Any] = SimpleFunctionPE,  # noqa: N803 - dispel4py's name
    name_prefix: str = "PE_",
    name_suffix: str = "",
) -> CompositePE:
    """Chain functions, or (function, parameters) pairs, into a composite with ports `input` and `output`."""
    if not functions:
        raise GraphError("A chain needs at least one function.", hint="Pass functions or (function, parameters) pairs.")
    chain = CompositePE()
    previous: GenericPE | None = None
    for entry in functions:
        function, params = entry if isinstance(entry, (tuple, list)) else (entry, {})
        pe = FunctionPE_class()
        pe.compute_fn, pe.params = function, dict(params)
        pe.name = f"{name_prefix}{function.__name__}{name_suffix}"
        if previous is None:
            chain._map_input("input", pe, "input")
        else:
            chain.connect(previous, "output", pe, "input")
        previous = pe
    assert previous is not None
    chain._map_output("output", previous, "output")
    return chain
