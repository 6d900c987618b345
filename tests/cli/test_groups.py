# SPDX-License-Identifier: Apache-2.0
"""What reaches a whole process group, and processes that are killed one by one."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from d4py.runs import Folder, Status
from d4py.testing.waiting import eventually

SLOW = """\
import time

import d4py


@d4py.producer
def ticks(n: int = 40):
    for number in range(n):
        time.sleep(0.02)
        yield number


@d4py.iterative
def same(x: int):
    return x


workflow = ticks() >> same()
"""


def begun(folder: Path, *options: str) -> tuple[subprocess.Popen[str], Folder]:
    """Start a run in a process group of its own; return when it has read some items."""
    (folder / "slow.py").write_text(SLOW)
    command = [
        sys.executable,
        "-m",
        "d4py.cli.main",
        "run",
        "slow.py",
        "--mapping",
        "multi",
        "-n",
        "2",
        "--run-dir",
        "run",
        *options,
    ]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    run = Folder(folder / "run")
    eventually(lambda: (run.path / "state.json").exists() and run.state().status is Status.RUNNING)
    from d4py.runs.board import Board

    def reading() -> bool:
        board = Board(run.path / "board", 2, 2)
        try:
            return board.counts(1)[0] > 3
        finally:
            board.close()

    eventually(reading)
    return process, run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_to_the_whole_group_stops_a_run_after_a_checkpoint(tmp_path: Path, number: signal.Signals) -> None:
    process, run = begun(tmp_path)
    os.killpg(process.pid, number)
    _, complaints = process.communicate(timeout=30)

    state = run.state()
    assert process.returncode == 5, complaints
    assert (state.status, state.warnings, state.epoch > 0) == (Status.STOPPED, [], True)


def test_a_run_under_nohup_does_not_hear_of_a_closed_terminal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does, and children inherit it
    try:
        process, run = begun(tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=30)

    assert (process.returncode, run.state().status) == (0, Status.DONE)


def test_a_run_outlives_the_process_that_starts_its_workers(tmp_path: Path) -> None:
    process, run = begun(tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    shown, complaints = process.communicate(timeout=30)

    assert process.returncode == 0, complaints
    assert "The process that starts workers was killed." in run.state().warnings[0]
    assert "same.output: 0" in shown


def test_outputs_are_written_into_a_pipe_and_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("target.jsonl")
    run = [sys.executable, "-m", "d4py.cli.main", "run", "slow.py", "--set", "n=2", "--quiet", "--output"]
    lines = [f'{{"pe": "same", "output": "output", "value": {value}}}' for value in (0, 1)]

    with subprocess.Popen(["cat", "pipe"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as reader:
        assert subprocess.run([*run, "pipe"], cwd=tmp_path).returncode == 0
        assert reader.communicate(timeout=30)[0].splitlines() == lines
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    assert subprocess.run([*run, "link"], cwd=tmp_path).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target.jsonl").read_text().splitlines() == lines
