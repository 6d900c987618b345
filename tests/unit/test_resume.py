# SPDX-License-Identifier: Apache-2.0
"""Runs that go on from a checkpoint: where their cells live then, what stays on disk, what is set aside."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py import mappings
from d4py.errors import StateError
from d4py.runs import Folder, lock
from d4py.runs.books import audit
from d4py.runs.outputs import Outputs

WORKFLOW = """\
import os
import pathlib
import signal
from dataclasses import dataclass

import d4py


@dataclass(frozen=True)
class Reading:
    value: int


@d4py.producer
def numbers(n: int = 60):
    yield from range(n)


@d4py.iterative
def reading(x: int):
    if x == 30 and not pathlib.Path(__file__).with_name("mended").exists():
        raise ValueError("not yet mended")
    return Reading(x)


workflow = numbers() >> reading()
"""

FATAL = """\
import os
import signal

import d4py


@d4py.producer
def numbers(n: int = 10):
    yield from range(n)


@d4py.iterative
def fatal(x: int):
    if x in (3, 7):
        os.kill(os.getpid(), signal.SIGKILL)
    return x


workflow = numbers() >> fatal()
"""


def begun(folder: Path, mapping: str, **options: Any) -> mappings.Result:
    """Run the workflow until it fails in the middle."""
    (folder / "workflow.py").write_text(WORKFLOW)
    return d4py.run(str(folder / "workflow.py"), mapping, run_dir=folder / "run", check=False, **options)


@pytest.mark.parametrize(("first", "then"), [(2, 1), (2, 4), (3, 2)])
def test_a_resumed_run_places_the_same_cells_on_another_number_of_processes(
    tmp_path: Path, first: int, then: int
) -> None:
    begun(tmp_path, "multi", processes=first)
    before = Folder(tmp_path / "run").plan()
    (tmp_path / "mended").touch()

    result = mappings.resume(Folder(tmp_path / "run"), processes=then)

    after = Folder(tmp_path / "run").plan()
    assert result.exit_code == 0
    assert sorted(value.value for value in result.outputs.values()) == list(range(60))
    assert [cell.instances for cell in after.cells] == [cell.instances for cell in before.cells]
    assert max(cell.process for cell in after.cells) + 1 == min(then, len(after.cells))


def test_simple_refuses_a_run_that_has_several_cells_before_it_starts(tmp_path: Path) -> None:
    begun(tmp_path, "threads", processes=2)

    with pytest.raises(StateError, match="'simple' cannot continue a run that was begun on another"):
        mappings.resume(Folder(tmp_path / "run"), mapping="simple")
    assert Folder(tmp_path / "run").state().mapping == "threads"


def test_outputs_of_the_workflows_own_classes_are_read_where_it_was_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mended").touch()
    begun(tmp_path, "simple")
    monkeypatch.delitem(__import__("sys").modules, "d4py_workflow_workflow")
    folder = Folder(tmp_path / "run")

    assert [entry.value.value for entry in Outputs(folder)] == list(range(60))
    assert audit(folder).balanced


def test_two_items_that_kill_their_worker_are_both_set_aside(tmp_path: Path) -> None:
    (tmp_path / "workflow.py").write_text(FATAL)

    result = d4py.run(str(tmp_path / "workflow.py"), "multi", processes=2, on_error="quarantine", check=False)

    assert (result.exit_code, result.error) == (4, "")
    assert result.outputs.values("fatal") == [0, 1, 2, 4, 5, 6, 8, 9]
    assert result.books.quarantined == 2


def test_the_last_two_checkpoints_stay_on_disk(tmp_path: Path) -> None:
    slow = Slow()

    result = d4py.run(slow >> Last(), "threads", processes=2, checkpoint=0.01, run_dir=tmp_path / "run")

    commits = sorted((tmp_path / "run" / "commits").glob("*.json"))
    parts = list((tmp_path / "run" / "parts").glob("*.part"))
    assert result.outputs.values("Last") == [slow.wanted]
    assert len(commits) == 2
    assert len(parts) == 4


class Slow(d4py.ProducerPE):
    """Goes on until several checkpoints were made."""

    wanted = 5
    stateless = True

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def snapshot(self) -> Any:
        self.made += 1
        return super().snapshot()

    def _process(self, inputs: Any) -> Any:
        while self.made < self.wanted:
            yield self.made


class Last(d4py.GenericPE):
    """Writes the last value it saw."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.seen = -1

    def process(self, inputs: dict[str, Any]) -> None:
        self.seen = inputs["input"]

    def postprocess(self) -> None:
        self.write("output", self.seen + 1)


def test_a_run_is_in_the_hands_of_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    path = tmp_path / "wf.py"
    path.write_text(WORKFLOW)
    folder = Folder(d4py.run(str(path), check=False, run_dir=tmp_path / "run").folder)
    (tmp_path / "mended").touch()
    before = {file.name: file.read_bytes() for file in folder.path.iterdir() if file.is_file()}

    with lock.held(folder.path), pytest.raises(StateError, match=rf"is in the hands of process {os.getpid()} on "):
        mappings.resume(folder)
    assert {file.name: file.read_bytes() for file in folder.path.iterdir() if file.is_file()} == before

    assert mappings.resume(folder).exit_code == 0


def test_a_lock_that_a_dying_process_still_holds_is_waited_for(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    death = threading.Timer(0.2, os.close, [descriptor])
    death.start()

    with lock.held(tmp_path) as warnings:
        assert warnings == []
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
