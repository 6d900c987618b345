# SPDX-License-Identifier: Apache-2.0
"""Run a graph as dispel4py would, and say what it would say."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from d4py import mappings
from d4py.compat import allocation
from d4py.compat.core import GenericPE
from d4py.graph import inputs as data
from d4py.graph.pe import RUNTIME_ATTRIBUTES
from d4py.mappings.multi.start import forkable
from d4py.runs import Folder

if TYPE_CHECKING:
    from d4py.graph.graph import WorkflowGraph
    from d4py.mappings import Result
    from d4py.plan import Plan
    from d4py.plan.layout import Assignment
    from d4py.runs import State
    from d4py.runs.board import Board

_WIRING = RUNTIME_ATTRIBUTES & {"_emit", "_logger", "_empty", "_folder"}


def named(graph: WorkflowGraph, inputs: Mapping[Any, Any] | int | None) -> dict[str, data.Calls]:
    """Return what each PE of a flat graph is called with, by id.

    Where a name fits several PEs, the first gets the data. Of the roots that get none, those without inputs are called once.
    """
    if not isinstance(inputs, Mapping):
        return data.resolve(graph, inputs)
    by_name = {pe.name: pe.id for pe in reversed(graph.pes)}
    ids = {pe.id for pe in graph.pes}
    by_id = {name if name in ids else by_name.get(name, name): calls for name, calls in inputs.items()}
    calls = data.resolve(graph, by_id)
    given = {getattr(name, "id", name) for name in by_id}
    return calls | {pe.id or "": 0 for pe in graph.roots() if pe.inputconnections and pe.id not in given}


def assigned(graph: WorkflowGraph, processes: int, *, partitioned: bool = False) -> Assignment:
    """Return what runs where on so many processes, counted as dispel4py does; print what it prints. partitioned: the option -s."""
    wanted = allocation.wanted(graph)
    if wanted <= processes and not partitioned:
        return allocation.counted(graph, processes)
    if not partitioned:
        print(f"Graph is larger than job size: {wanted} > {processes}.")
    given, numbers = getattr(graph, "partitions", ()), getattr(graph, "numprocesses", None)
    found = allocation.partitioned(graph, processes, given, numbers)
    print("Partitions: " + ", ".join(f"[{', '.join(part)}]" for part in found.partitions))
    return found


class Processes:
    """Prints at the start of a run which instances each PE has, by rank."""

    def begin(self, plan: Plan, board: Board, state: State) -> None:
        """Print."""
        ranks = {one.pe: range(one.rank, one.rank + one.of) for one in plan.instances if one.number == 0}
        print(f"Processes: {ranks}", flush=True)

    def end(self) -> None:
        """Nothing is left to do."""


def tell_iterations(result: Result, calls: Mapping[str, data.Calls]) -> None:
    """Print for each instance how often it was called."""
    folder = Folder(result.folder)
    commit = folder.last_commit()
    parts = [folder.head(key) for _, key in sorted(commit.parts.items())] if commit else []
    read = {rank: sum(count["read"].values()) for part in parts for rank, count in part.counts.items()}
    for instance in folder.plan().instances:
        own = calls.get(instance.pe)
        number = read.get(instance.rank, 0) if own is None else own if isinstance(own, int) else len(own)
        print(f"{instance.pe} (rank {instance.rank}): {processed(number)}")
    sys.stdout.flush()


def processed(number: int) -> str:
    """Return dispel4py's words for a number of iterations."""
    return "Processed 1 iteration." if number == 1 else f"Processed {number} iterations."


def outputs_of(result: Result) -> dict[str, dict[str, list[Any]]]:
    """Return what nobody read: by PE id and output, the values."""
    found: dict[str, dict[str, list[Any]]] = {}
    for pe, output, value in result.outputs:
        found.setdefault(pe, {}).setdefault(output, []).append(value)
    return found


@contextmanager
def run_here(graph: WorkflowGraph, mapping: str, calls: Mapping[str, data.Calls], **options: Any) -> Iterator[Result]:
    """Run a graph of the caller's, PEs and all, and give the result; nothing is left of the run afterwards.

    Workers are forked from this process where that can be: they see it as it is.
    """
    if mapping == "multi" and not forkable():
        note("this program has threads, so its workers load the workflow anew: they do not see what it has changed")
    unranked(graph.pes, mapping)
    with TemporaryDirectory(prefix="d4py-") as folder:
        try:
            run = Path(folder) / "run"
            yield mappings.run(graph, mapping, inputs=calls, run_dir=run, own=False, alone=True, **options)
        finally:
            for pe in graph.pes:
                for name in _WIRING:
                    vars(pe).pop(name, None)
                if isinstance(pe, GenericPE):
                    pe._rest()


def unranked(pes: Iterable[Any], mapping: str) -> None:
    """Let PEs log as dispel4py has them: with their rank, but on simple."""
    for pe in pes:
        if isinstance(pe, GenericPE):
            pe._ranked = mapping != "simple"


def note(text: str) -> None:
    """Tell something that is not as it was."""
    print(f"d4py: note: {text}", file=sys.stderr, flush=True)
