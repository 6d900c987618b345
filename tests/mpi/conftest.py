# SPDX-License-Identifier: Apache-2.0
"""A workflow, and each MPI to run it on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.mpi.installed import NAMES, PATIENCE, Mpi, installed

WORKFLOW = """
import os, signal, time
import d4py

@d4py.producer
def numbers(n: int = 2000, live: bool = False):
    for number in range(n):
        if os.path.exists("stuck-source") and number == 1990:
            time.sleep(120)
        if live and not os.path.exists("go"):
            time.sleep(0.02)
        yield "abc"[number % 3], number

class Count(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.sums = {}

    def process(self, inputs):
        key, number = inputs["input"]
        self.sums[key] = self.sums.get(key, 0) + number
        if not os.path.exists(f"rank-{self.rank}"):
            with open(f"rank-{self.rank}", "w") as file:
                file.write(str(os.getpid()))
        if os.path.exists("bad") and number == 1500:
            with open("raised", "w") as file:
                file.write(str(time.time()))
            raise ValueError("fifteen hundred")
        if os.path.exists("stuck-reader") and number > 1000 and "a" not in self.sums:
            time.sleep(120)

    def postprocess(self):
        for key, total in self.sums.items():
            self.write("output", (key, total))

workflow = numbers() >> Count()
"""
ANSWER = sorted((key, sum(range(start, 2000, 3))) for start, key in enumerate("abc"))


@pytest.fixture(scope="session", params=NAMES)
def mpi(request: pytest.FixtureRequest) -> Mpi:
    """Each MPI in turn."""
    return installed(request.param)


@pytest.fixture(scope="session")
def debian() -> Mpi:
    """The system's MPI."""
    return installed("debian")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workflow in it."""
    monkeypatch.chdir(tmp_path)
    Path("wf.py").write_text(WORKFLOW)
    return tmp_path


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], str], None]:
    """Wait for something."""

    def wait(condition: Callable[[], object], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"waited for {what}"
            time.sleep(0.02)

    return wait
