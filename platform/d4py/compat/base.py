# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.base`: PEs of the usual shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.compat.core import GenericPE
from d4py.compat.workflow_graph import WorkflowGraph
from d4py.graph import pe as own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class BasePE(GenericPE):
    """Named inputs and outputs, and numbered ones: input0, input1 ... output0 ..."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(
        self,
        inputs: Iterable[str] | None = None,
        outputs: Iterable[str] | None = None,
        num_inputs: int = 0,
        num_outputs: int = 0,
        *,
        numInputs: int = 0,
        numOutputs: int = 0,
    ) -> None:
        GenericPE.__init__(self)
        for number in range(num_inputs or numInputs):
            self._add_input(f"{self.INPUT_NAME}{number}")
        for number in range(num_outputs or numOutputs):
            self._add_output(f"{self.OUTPUT_NAME}{number}")
        for name in inputs or ():
            self._add_input(name)
        for name in outputs or ():
            self._add_output(name)


class IterativePE(GenericPE, own.IterativePE):
    """One input, one output: `_process(value)` returns the output, or None for none."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input(self.INPUT_NAME)
        self._add_output(self.OUTPUT_NAME)


class ProducerPE(GenericPE, own.ProducerPE):
    """No input, one output: `_process(inputs)` is called once per iteration."""

    OUTPUT_NAME = "output"

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_output(self.OUTPUT_NAME)


class ConsumerPE(GenericPE, own.ConsumerPE):
    """One input, no output: `_process(value)`, whose result is dropped."""

    INPUT_NAME = "input"

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input(self.INPUT_NAME)


class SimpleFunctionPE(IterativePE):
    """Calls a function with each value and fixed keyword parameters."""

    def __init__(self, compute_fn: Callable[..., Any] | None = None, params: dict[str, Any] | None = None) -> None:
        IterativePE.__init__(self)
        if compute_fn is not None:
            self.name = f"PE_{compute_fn.__name__}"
        self.compute_fn = compute_fn
        self.params = params or {}

    def _process(self, data: Any) -> Any:
        return None if self.compute_fn is None else self.compute_fn(data, **self.params)


class CompositePE(WorkflowGraph):
    """A graph with inputs and outputs of its own, which stands where a PE may."""

    def __init__(self, create_graph: Callable[..., Any] | None = None, params: dict[str, Any] | None = None) -> None:
        WorkflowGraph.__init__(self)
        if create_graph is not None:
            create_graph(self, **(params or {}))

    def _map_input(self, input_name: str, internal_pe: Any, internal_input: str) -> None:
        """Let an input of the composite feed an input of a PE inside."""
        self.inputmappings[input_name] = (internal_pe, internal_input)

    def _map_output(self, output_name: str, internal_pe: Any, internal_output: str) -> None:
        """Let an output of a PE inside be an output of the composite."""
        self.outputmappings[output_name] = (internal_pe, internal_output)


def create_iterative_chain(
    functions: Sequence[Any],
    function_pe_class: Callable[[], Any] = SimpleFunctionPE,
    name_prefix: str = "PE_",
    name_suffix: str = "",
    *,
    FunctionPE_class: Callable[[], Any] | None = None,
) -> WorkflowGraph:
    """Chain functions, or (function, parameters) pairs, into a composite with ports `input` and `output`."""
    made = FunctionPE_class or function_pe_class
    chain = WorkflowGraph()
    pes: list[Any] = []
    for entry in functions:
        function, params = (entry[0], entry[1]) if isinstance(entry, (tuple, list)) else (entry, {})
        pe = made()
        pe.compute_fn, pe.params = function, params
        pe.name = f"{name_prefix}{function.__name__}{name_suffix}"
        if pes:
            chain.connect(pes[-1], IterativePE.OUTPUT_NAME, pe, IterativePE.INPUT_NAME)
        else:
            chain.add(pe)
        pes.append(pe)
    chain.inputmappings = {"input": (pes[0], IterativePE.INPUT_NAME)}
    chain.outputmappings = {"output": (pes[-1], IterativePE.OUTPUT_NAME)}
    return chain
