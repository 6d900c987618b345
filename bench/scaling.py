# SPDX-License-Identifier: Apache-2.0
"""What plans of 16, 256 and 4,096 processes are made of: scaling.py. Prints a page, and writes it to scaling.md beside this file.

Nothing is run: plans are made and measured, and so are the states that the cell with most channels would keep.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.machine import machine
from bench.report import row as line

import d4py
from d4py.engine.cell import CellMachine
from d4py.engine.outlet import WINDOW_BYTES
from d4py.graph.load import find, load
from d4py.mappings.ends import ends
from d4py.mappings.multi.descriptors import needed_for
from d4py.plan import Plan, layout

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = (16, 256, 4_096)
REPEATS = 5


@d4py.producer
def words() -> str:
    return "a"


@d4py.iterative
def split(line: str) -> str:
    return line


class Count(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", grouping=[0])


def graphs() -> dict[str, d4py.WorkflowGraph]:
    """Return the graphs that are planned."""
    keyed = words() >> split() >> Count()
    noise = load(find(str(ROOT / "workflows" / "ambient_noise"))).graph
    return {"words by key": keyed.flatten(), "ambient noise": noise}


def figures(name: str, graph: d4py.WorkflowGraph, processes: int) -> tuple[str, ...]:
    """Return what a plan takes."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        try:
            plan = layout(graph, processes)
        except d4py.D4pyError as error:
            return (name, f"{processes:,}", str(error).splitlines()[0], *[""] * 7)
        times.append(time.perf_counter() - began)
    channels, state, known = widest(plan)
    return (
        name,
        f"{processes:,}",
        f"{1e3 * median(times):.0f}",
        f"{len(json.dumps(plan.to_json())) / 1e3:,.0f}",
        f"{len(plan.cells):,}",
        f"{len(plan.channels):,}",
        f"{channels:,}",
        f"{state / 1e3:,.0f}",
        f"{known / 1e3:,.0f}",
        f"{channels * WINDOW_BYTES / 1e9:.2f}",
    )


def widest(plan: Plan) -> tuple[int, int, int]:
    """Return the most channels that a cell has, the bytes that its ends of them take, and those of what its process knows of them."""
    index = max((cell.index for cell in plan.cells), key=lambda index: degree(plan, index))
    reads = [channel.index for channel in plan.channels_to(index)]
    writes = [channel.index for channel in plan.channels_from(index)]
    tracemalloc.start()
    cell = CellMachine(reads, writes, generation=1)
    state, _ = tracemalloc.get_traced_memory()
    readers, writers = ends(plan, plan.cells[index].process)
    both, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cell.inlets) == len(reads)
    assert readers.keys() == writers.keys()
    return len(reads) + len(writes), state, both - state


def degree(plan: Plan, index: int) -> int:
    """Return how many channels a cell has: without making them, for all cells are asked."""
    return sum(plan.channels.degree(rank) for rank in plan.cells[index].instances)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table."""
    return "\n".join([line(list(head)), line(["---"] * len(head)), *[line(list(cells)) for cells in rows]])


def main() -> None:
    """Make the page."""
    head = (
        "graph",
        "processes",
        "ms to plan",
        "kB of plan.json",
        "cells",
        "channels",
        "most of one cell",
        "kB of their state",
        "kB of who is at their ends",
        "GB in flight at most",
    )
    rows = [figures(name, graph, processes) for name, graph in graphs().items() for processes in PROCESSES]
    sockets: list[tuple[str, ...]] = [(f"{processes:,}", f"{needed_for(processes):,}") for processes in PROCESSES]
    facts = "\n".join(f"- {name}: {value}" for name, value in machine(peers={}, missing={}).items())
    page = "\n".join(
        [
            "# Plans of many processes\n",
            "Made by `python bench/scaling.py`. Plans are made and measured, nothing is run. In flight: what a channel may have unacknowledged, times the channels of the cell that has most.\n",
            facts,
            "",
            table(head, rows),
            "\n## Descriptors that `multi` needs\n",
            table(("processes", "descriptors"), sockets),
        ]
    )
    (Path(__file__).parent / "scaling.md").write_text(page + "\n")
    print(page)


if __name__ == "__main__":
    main()
