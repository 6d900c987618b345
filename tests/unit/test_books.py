# SPDX-License-Identifier: Apache-2.0
"""The books of a run, made anew from its folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py.engine.link import Part
from d4py.errors import StateError
from d4py.runs import Folder, books, spool
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


class Shut(Folder):
    """A folder of which nobody may read what PEs keep."""

    def part(self, key: str) -> Part:
        """Refuse."""
        raise AssertionError(f"{key} was read whole")


def graph_of(pes: int) -> d4py.WorkflowGraph:
    graph = d4py.WorkflowGraph()
    source = numbers()
    for pe in [Sums() for _ in range(pes)]:
        graph.connect(source, "output", pe, "input")
    return graph


def test_an_audit_reads_nothing_of_what_pes_keep(tmp_path: Path) -> None:
    made = d4py.run(graph_of(4), "threads", processes=5, run_dir=tmp_path / "r").books

    assert audit(Shut(tmp_path / "r")) == made
    assert made.balanced


def test_what_parts_say_of_spools_is_what_is_in_them(tmp_path: Path) -> None:
    """Of several outputs in one cell, too."""
    made = d4py.run(graph_of(4), "simple", run_dir=tmp_path / "r").books
    for path in (tmp_path / "r/outputs").iterdir():
        path.unlink()

    assert audit(Folder(tmp_path / "r"), opened=False) == made


def test_a_record_that_a_spool_did_not_count_is_missing_also_unopened(tmp_path: Path) -> None:
    d4py.run(graph_of(2), "simple", run_dir=tmp_path / "r")
    folder = Folder(tmp_path / "r")
    commit = folder.last_commit()
    assert commit is not None
    part = folder.part(commit.parts[0])
    [(name, size, records)] = part.outputs
    part.outputs = [(name, size, records - 1)]
    folder.write_part(part)

    lines = audit(folder, opened=False).lines

    assert sorted(line.written - line.read for line in lines if line.kind == "output") == [0, 1]


def test_a_part_that_is_cut_short_is_noticed_by_its_head(tmp_path: Path) -> None:
    d4py.run(graph_of(1), "simple", run_dir=tmp_path / "r")
    folder = Folder(tmp_path / "r")
    commit = folder.last_commit()
    assert commit is not None
    path = tmp_path / f"r/parts/{commit.parts[0]}.part"
    os.truncate(path, path.stat().st_size - 1)

    for read in (folder.head, folder.part):
        with pytest.raises(StateError, match=r"is damaged: it has \d+ bytes of \d+"):
            read(commit.parts[0])


def test_a_run_that_stops_opens_no_spool_and_reads_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is about to end has no time for gigabytes of them."""
    monkeypatch.setattr(books, "spool", NotOpened())
    monkeypatch.setattr(Folder, "part", Shut.part)

    result = d4py.run(Stops() >> Sums(), "simple", run_dir=tmp_path / "r")

    assert (result.exit_code, result.books.balanced) == (5, True)
    assert 100 <= result.counts["Sums"]["read"] == len(result.outputs) < 1_000


class NotOpened:
    """In the place of spools: what they say of themselves, and no more."""

    def __getattr__(self, name: str) -> Any:
        assert name == "records"
        return spool.records


class Stops(d4py.ProducerPE):
    """Tells its own run to stop, as a job that is about to end does."""

    def _process(self, inputs: object) -> None:
        for number in range(1_000):
            if number == 100:
                os.kill(os.getpid(), signal.SIGUSR1)
            self.write("output", number)
