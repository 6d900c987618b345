# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new.multi_process`: run a graph in processes of this machine."""

from __future__ import annotations

from queue import Queue
from typing import TYPE_CHECKING, Any

from d4py.compat import running
from d4py.compat.processor import STATUS_TERMINATED, parallel_args

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import WorkflowGraph


class Results(Queue[Any]):
    """(PE id, output, value) of what no PE reads, and at last STATUS_TERMINATED. A queue of multiprocessing has more methods."""

    def close(self) -> None:
        """Nothing is left to do."""

    join_thread = cancel_join_thread = close


def parse_args(args: Sequence[str], namespace: Namespace | None = None) -> Namespace:
    """Read -n and -s."""
    return parallel_args(args, namespace)


def process(workflow: WorkflowGraph, inputs: Mapping[Any, Any], args: Any) -> Results | None:
    """Run a graph on args.num processes; with args.results, return a queue of what no PE reads. Raises WorkflowFailed where a PE raised."""
    return enact("multi", workflow, inputs, args)


def enact(
    mapping: str, workflow: WorkflowGraph, inputs: Mapping[Any, Any], args: Any, *, counted: bool = True
) -> Results | None:
    """Run a graph on a mapping. counted: count instances as dispel4py does."""
    graph = workflow.flatten()
    calls = running.named(graph, inputs)
    assignment = running.assigned(graph, args.num, partitioned=getattr(args, "simple", False)) if counted else None
    told = [running.Processes()]
    with running.run_here(graph, mapping, calls, processes=args.num, assignment=assignment, observers=told) as result:
        running.tell_iterations(result, calls)
        if not getattr(args, "results", False):
            return None
        results = Results()
        for entry in result.outputs:
            results.put(tuple(entry))
        results.put(STATUS_TERMINATED)
        return results


def main() -> None:
    """Run the old command, for the mapping multi."""
    from d4py.compat.processor import main as old_command

    old_command()
