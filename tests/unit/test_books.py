# SPDX-License-Identifier: Apache-2.0
"""The books of a run, made anew from its folder."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import d4py
from d4py.engine.link import Part
from d4py.runs import Folder
from d4py.runs.books import audit


@d4py.producer
def numbers(n: int = 20):  # type: ignore[no-untyped-def]
    yield from range(n)


class Sums(d4py.IterativePE):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def _process(self, number: int) -> int:
        self.total += number
        return self.total


class Kept:
    """In the place of a state: it can be watched."""


class Watched(Folder):
    """A folder that knows how many states, partials and positions of its parts are in memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most: list[int] = []

    def part(self, key: str) -> Part:
        """Return a part with what can be watched in it."""
        part = super().part(key)
        places: tuple[dict[int, Any], ...] = (part.states, part.partials, part.positions)
        for kept in places:
            kept[0] = watched = Kept()
            self.alive.add(watched)
        self.most.append(len(self.alive))
        return part


def test_an_audit_has_what_pes_keep_of_one_cell_in_memory_at_a_time(tmp_path: Path) -> None:
    graph = d4py.WorkflowGraph()
    source = numbers()
    sums = [Sums() for _ in range(4)]
    for pe in sums:
        graph.connect(source, "output", pe, "input")
    books = d4py.run(graph, "threads", processes=5, run_dir=tmp_path / "r").books
    folder = Watched(tmp_path / "r")

    assert audit(folder) == books

    assert books.balanced
    assert folder.most == [3, 3, 3, 3, 3]
    assert not folder.alive
