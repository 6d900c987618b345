# SPDX-License-Identifier: Apache-2.0
"""One real Slurm of four nodes for all tests, and the command line beside it."""

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
REQUEUES = """
launcher = ["srun", "--mpi=pmix"]
again = "requeue"
margin = 40
[options]
partition = "aside"
"""
ANSWER = sorted((key, sum(range(start, 2000, 3))) for start, key in enumerate("abc"))


class Told(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Told]


class Cut(NamedTuple):
    """A run that is cut off by its time, and what asks for it."""

    call: Call
    run: str
    here: Path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Slurm, up."""
    with tempfile.TemporaryDirectory(prefix="d4py-slurm-", dir="/var/tmp") as folder:
        slurm = Cluster(Path(folder))
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


@pytest.fixture(scope="session", autouse=True)
def cut(cluster: Cluster) -> Iterator[Cut]:
    """A run that its time cuts off and that is requeued: begun before all else, for Slurm takes minutes over it."""
    with tempfile.TemporaryDirectory(prefix="d4py-work-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        here = Path(folder)
        (here / "wf.py").write_text(WORKFLOW)
        (here / "config" / "d4py" / "profiles").mkdir(parents=True)
        (here / "config" / "d4py" / "profiles" / "requeues.toml").write_text(REQUEUES)
        call = caller(cluster, here)
        words = "submit --slurm wf.py --profile requeues --ntasks-per-node 2 --time 1 --checkpoint 5"
        sent = call(f"{words} --set gate={here / 'gate'}")
        assert sent.code == 0, sent.err
        yield Cut(call, sent.out.strip(), here)


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
    while not condition():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.05)
