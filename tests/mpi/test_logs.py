# SPDX-License-Identifier: Apache-2.0
"""What ranks log: by PE and by rank, printed by the first rank as `d4py logs` prints it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mpi.installed import Mpi

SAYING = """
import d4py

@d4py.producer
def numbers():
    yield from range(100)

class Say(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self.numprocesses = 4
        self._add_input("input", grouping=[0])

    def preprocess(self):
        from mpi4py import MPI
        self.log(f"told by {MPI.COMM_WORLD.Get_rank()}")

    def process(self, inputs):
        pass

@d4py.iterative
def pair(number):
    return number, number

workflow = numbers() >> pair() >> Say()
"""
LINE = re.compile(r"Say\[\d\]@(\d) \| .* told by (\d)")


@pytest.fixture
def said(debian: Mpi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a job of three ranks has printed where logs are to be printed."""
    monkeypatch.chdir(tmp_path)
    Path("say.py").write_text(SAYING)
    told = debian.run(
        debian.command(3, "run", "say.py", "--mapping", "mpi", "--run-dir", "r", "-q"), D4PY_LOGS="stdout"
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def logs(*words: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "d4py.cli.main", "logs", "./r", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def test_logs_of_a_rank_are_those_of_the_instances_that_live_there(said: str) -> None:
    _, everything, _ = logs("--pe", "Say")
    by_rank = {rank: logs("--rank", rank)[1].splitlines() for rank in "012"}

    assert sorted(line for lines in by_rank.values() for line in lines if "Say" in line) == sorted(
        everything.splitlines()
    )
    assert len(everything.splitlines()) == 4
    for rank, lines in by_rank.items():
        assert {LINE.fullmatch(line).groups() for line in lines} <= {(rank, rank)}  # type: ignore[union-attr]
    assert sorted(line for line in said.splitlines() if "told by" in line) == sorted(everything.splitlines())


def test_a_rank_that_there_is_not_is_told_in_one_line(said: str) -> None:
    assert said
    assert logs("--rank", "3") == (
        2,
        "",
        "d4py: error: The run has no rank 3; its ranks are 0 to 2. Name another.\n",
    )
