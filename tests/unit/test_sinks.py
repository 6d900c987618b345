# SPDX-License-Identifier: Apache-2.0
"""Sinks that commit: what they write appears once, when a checkpoint covers it, over deaths and stops."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py import mappings
from d4py.connectors.files import CommittedFiles
from d4py.engine.coordinator import Coordinator, MakeCommit
from d4py.runs import Folder, Status

WORKFLOW = """\
import os
import pathlib
import signal

import d4py

HERE = pathlib.Path(__file__).parent


def once(name):
    mark = HERE / name
    first = not mark.exists()
    mark.touch()
    return first


class Save(d4py.ConsumerPE):
    def __init__(self):
        super().__init__()
        self.files = d4py.CommittedFiles()

    def _process(self, data):
        with self.files.open(HERE / "out" / f"{data}.txt") as file:
            file.write(f"{data}\\n")
        if DIES == "writing" and data == 7 and once("died"):
            os.kill(os.getpid(), signal.SIGKILL)
        if DIES == "raising" and data == 7 and once("died"):
            raise ValueError(data)

    def prepare(self, epoch):
        self.files.prepare(epoch)

    def commit(self, epoch):
        if DIES == "committing" and once("died"):
            os.kill(os.getpid(), signal.SIGKILL)
        self.files.commit(epoch)


@d4py.producer
def numbers(n: int = 12):
    yield from range(n)


workflow = numbers() >> Save()
"""

ALL = {f"{number}.txt": f"{number}\n" for number in range(12)}


def ran(folder: Path, mapping: str, dies: str, **options: Any) -> mappings.Result:
    (folder / "out").mkdir()
    (folder / "workflow.py").write_text(f"DIES = {dies!r}\n" + WORKFLOW)
    return d4py.run(str(folder / "workflow.py"), mapping, run_dir=folder / "run", check=False, **options)


def saved(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / "out").iterdir()}


@pytest.mark.parametrize("mapping", ["simple", "threads", "multi"])
def test_files_appear_once_the_run_is_complete(tmp_path: Path, mapping: str) -> None:
    result = ran(tmp_path, mapping, "never")

    assert result.exit_code == 0
    assert saved(tmp_path) == ALL


@pytest.mark.parametrize("mapping", ["simple", "threads"])
def test_what_no_checkpoint_covers_does_not_appear(tmp_path: Path, mapping: str) -> None:
    result = ran(tmp_path, mapping, "raising")

    assert result.exit_code == 3
    assert [name for name in saved(tmp_path) if not name.startswith(".")] == []

    assert mappings.resume(Folder(tmp_path / "run")).exit_code == 0
    assert saved(tmp_path) == ALL


def test_a_sink_that_is_killed_while_it_writes_writes_again(tmp_path: Path) -> None:
    result = ran(tmp_path, "multi", "writing", processes=2)

    assert (result.exit_code, len(result.warnings)) == (0, 1)
    assert saved(tmp_path) == ALL


def test_a_death_in_the_last_commit_is_made_good_by_resume(tmp_path: Path) -> None:
    result = ran(tmp_path, "multi", "committing", processes=2)

    assert (result.exit_code, result.status) == (5, Status.STOPPED)
    assert "resume lets the sinks finish" in result.error
    assert mappings.resume(Folder(tmp_path / "run")).exit_code == 0
    assert saved(tmp_path) == ALL


def test_files_of_a_running_run_appear_with_each_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    sink = Saving(tmp_path / "out")

    result = d4py.run(UntilSeen(tmp_path / "out" / "0.txt") >> sink, "threads", processes=2, checkpoint=0.02)

    assert result.exit_code == 0
    assert result.outputs.values() == []
    assert (tmp_path / "out" / "0.txt").read_text() == "0"


class UntilSeen(d4py.ProducerPE):
    """Goes on until what it wrote first has been committed."""

    stateless = True

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def _process(self, inputs: Any) -> Any:
        number, until = 0, time.monotonic() + 30
        while not self.file.exists():
            assert time.monotonic() < until
            yield number
            number += 1


class Saving(d4py.ConsumerPE):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.files = CommittedFiles()

    def _process(self, data: Any) -> None:
        if data == 0:
            with self.files.open(self.folder / "0.txt") as file:
                file.write("0")

    def prepare(self, epoch: int) -> None:
        self.files.prepare(epoch)

    def commit(self, epoch: int) -> None:
        self.files.commit(epoch)


def test_the_last_commit_has_a_number_above_every_barrier_that_a_cell_may_have_passed() -> None:
    coordinator = Coordinator([0, 1], [0])
    list(coordinator.due())
    list(coordinator.part(1, 0, 1, "passed"))
    list(coordinator.final(1, 0, "end of 0"))

    (made,) = coordinator.final(1, 1, "end of 1")

    assert isinstance(made, MakeCommit)
    assert (made.commit.epoch, made.commit.final) == (2, True)


def test_committing_again_does_nothing(tmp_path: Path) -> None:
    files = CommittedFiles()
    with files.open(tmp_path / "a") as file:
        file.write("1")
    files.prepare(3)

    files.commit(2)
    assert not (tmp_path / "a").exists()
    files.commit(3)
    files.commit(3)
    assert (tmp_path / "a").read_text() == "1"


def test_a_file_whose_block_raised_is_not_committed(tmp_path: Path) -> None:
    files = CommittedFiles()
    with pytest.raises(ValueError, match="broken"), files.open(tmp_path / "a"):
        raise ValueError("broken")
    files.prepare(1)
    files.commit(1)

    assert not (tmp_path / "a").exists()
