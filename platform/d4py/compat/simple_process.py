# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new.simple_process`: run a graph in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.compat import running
from d4py.graph.graph import WorkflowGraph
from d4py.graph.pe import GenericPE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


Outputs = dict[str, dict[str, list[Any]]]


class _Collector(GenericPE):
    """Gives back what another PE reads as well."""

    stateless = True

    def __init__(self, pe: str, output: str) -> None:
        super().__init__()
        self.of = (pe, output)
        self.name = f"{pe}.{output}"
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"output": inputs["input"]}


def process_and_return(
    workflow: WorkflowGraph,
    inputs: Mapping[Any, Any] | int | None,
    resultmappings: Mapping[Any, Collection[str]] | None = None,
) -> Outputs:
    """Run a graph, and return what no PE reads: by PE id and output, the values. The PEs keep what they have become.

    inputs: by PE, id or name, a number of iterations or a list of `{input: value}`. resultmappings: by PE id the outputs to return instead,
    also of those that a PE reads. Raises WorkflowFailed where a PE raised.
    """
    graph = _apart(workflow.flatten())
    calls = running.named(graph, inputs)
    wanted = (
        None
        if resultmappings is None
        else {(getattr(pe, "id", pe), name) for pe, names in resultmappings.items() for name in names}
    )
    collectors = _collect(graph, wanted or ())
    with running.run_here(graph, "simple", calls) as result:
        outputs = running.outputs_of(result)
    print(f"SimplePE: {running.processed(1)}")
    for collector in collectors:
        values = outputs.pop(collector.id or "", {}).get("output")
        if values is not None:
            outputs.setdefault(collector.of[0], {})[collector.of[1]] = values
    if wanted is None:
        return outputs
    kept = {pe: {name: values for name, values in own.items() if (pe, name) in wanted} for pe, own in outputs.items()}
    return {pe: own for pe, own in kept.items() if own}


def _apart(graph: WorkflowGraph) -> WorkflowGraph:
    """Return a graph of the same PEs, to which others can be added."""
    apart = WorkflowGraph()
    for pe in graph.pes:
        apart.add(pe)
    apart.connections = list(graph.connections)
    return apart


def _collect(graph: WorkflowGraph, wanted: Collection[tuple[Any, str]]) -> list[_Collector]:
    """Let a PE of ours read, too, each output that is wanted and that another reads."""
    read = dict.fromkeys((edge.writer, edge.output) for edge in graph.connections)
    collectors = []
    for writer, output in read:
        assert isinstance(writer, GenericPE), "the graph is flat"
        if (writer.id, output) in wanted:
            collectors.append(_Collector(writer.id or "", output))
            graph.connect(writer, output, collectors[-1], "input")
    return collectors


def process(workflow: WorkflowGraph, inputs: Mapping[Any, Any], args: Any = None, resultmappings: Any = None) -> None:
    """Run a graph; print what it was given and what no PE reads."""
    print(f"Inputs: { {getattr(pe, 'id', pe): calls for pe, calls in inputs.items()} }")
    outputs = process_and_return(workflow, inputs, resultmappings)
    print(f"Outputs: {outputs}", flush=True)


def main() -> None:
    """Run the old command, for the mapping simple."""
    from d4py.compat.processor import main as old_command

    old_command()
