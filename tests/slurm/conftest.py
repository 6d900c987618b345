# SPDX-License-Identifier: Apache-2.0
"""A real Slurm of four nodes, one for each process of tests, and the command line beside it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.numbers import NAME, ROOM, held

import d4py

SOURCE_ROOT = Path(d4py.__file__).parents[1]
PATIENCE = 90.0  # seconds; nothing takes so long when all is well

WORKFLOW = """
import os, socket, time
import d4py

@d4py.producer
def numbers(n: int = 2000, gate: str = ""):
    for number in range(n):
        if gate and not os.path.exists(gate):
            time.sleep(0.03)
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
        if number < 6:
            self.log(f"on {socket.gethostname()}")
        if number == 1500 and os.path.exists("bad"):
            raise ValueError("fifteen hundred")

    def postprocess(self):
        for key, total in self.sums.items():
            self.write("output", (key, total))

workflow = numbers() >> Count()
"""
ANSWER = sorted((key, sum(range(start, 2000, 3))) for start, key in enumerate("abc"))

FIRST = [f"test_{name}.py" for name in ("walltime", "cuts", "sweeps", "ssh", "runs", "wheelhouse", "page", "worlds")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first: files are handed out in order."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


class Told(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Told]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Slurm, up."""
    with held() as number, tempfile.TemporaryDirectory(prefix=NAME, dir=ROOM) as folder:
        slurm = Cluster(Path(folder), number)
        try:
            slurm.up()
            yield slurm
        finally:
            slurm.down()


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> None:
    """The cluster's daemons are children of these tests, and a test may start a node anew."""


@pytest.fixture
def here(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that all nodes see, with a workflow in it."""
    with tempfile.TemporaryDirectory(prefix="d4py-work-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        monkeypatch.chdir(folder)
        Path("wf.py").write_text(WORKFLOW)
        yield Path(folder)


@pytest.fixture
def call(cluster: Cluster, here: Path) -> Call:
    """Call d4py as a user of the cluster does."""
    return caller(cluster, here)


def caller(cluster: Cluster, here: Path) -> Call:
    """Return what calls d4py in a folder."""
    environment = {
        **cluster.environment,
        "PYTHONPATH": str(SOURCE_ROOT),
        "XDG_STATE_HOME": str(here / "state"),
        "XDG_CONFIG_HOME": str(here / "config"),
    }
    environment = {name: value for name, value in environment.items() if not name.startswith(("OMPI_COMM", "PMI"))}

    def run(words: str | list[str], **more: str) -> Told:
        ran = subprocess.run(
            [sys.executable, "-m", "d4py.cli.main", *(words.split() if isinstance(words, str) else words)],
            cwd=here,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Told(ran.returncode, ran.stdout, ran.stderr)

    return run


def eventually(condition: Callable[[], object], what: str, *, within: float = PATIENCE) -> None:
    """Wait for something."""
    until = time.monotonic() + within
    while True:
        began = time.monotonic()
        if condition():
            return
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(max(0.05, time.monotonic() - began))  # half of the time is for what is waited for
