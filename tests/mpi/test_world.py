# SPDX-License-Identifier: Apache-2.0
"""A job of many ranks that is started wrongly is often many jobs of one rank. Each way that is known is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from tests.mpi.installed import NAMES, Mpi, installed

from d4py.errors import UsageError
from d4py.mappings.launchers import first
from d4py.mappings.mpi.world import Library, World, check, check_launcher, races

STRANGERS = [(one, other) for one, other in product(NAMES, NAMES) if (one == "mpich") != (other == "mpich")]


@pytest.mark.parametrize(("launcher", "library"), STRANGERS, ids=[f"{one} starts {other}" for one, other in STRANGERS])
def test_the_launcher_of_another_mpi_is_refused_by_its_name(launcher: str, library: str, here: Path) -> None:
    one, other = installed(launcher), installed(library)
    command = [one.mpiexec, "-n", "2", other.python, "-m", "d4py.cli.main", "run", "wf.py", "--mapping", "mpi"]

    told = other.run([*command, "--run-dir", "r"])

    assert told.returncode == 2, told.stderr
    assert not Path("r/run.json").exists()
    assert told.stderr.count("d4py: error: ") == 1
    assert "This is one of 2 ranks, " in told.stderr
    assert "mpiexec" in told.stderr.partition("d4py: error: ")[2].partition("\n")[0]


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


MPICH_5, OPEN_MPI_4 = (
    Library("MPICH", (5, 0, 2), "MPICH configure: --with-pm=hydra"),
    Library("Open MPI", (4, 1, 4), ""),
)
PMIX, PMI = {"PMIX_RANK": "0"}, {"PMI_RANK": "0", "PMI_SIZE": "8"}
STEP = {"SLURM_STEP_NUM_TASKS": "8"}


@pytest.mark.parametrize(
    ("library", "environment", "cause", "remedy"),
    [
        (MPICH_5, STEP | PMIX, "srun's --mpi type is not one that MPICH speaks", "srun --mpi=pmi2"),
        (MPICH_5, PMIX | {"OMPI_COMM_WORLD_SIZE": "8"}, "the launcher is Open MPI's", "mpiexec of MPICH"),
        (OPEN_MPI_4, STEP | PMI, "the launcher speaks PMI, as MPICH's do", "srun --mpi=pmix"),
        (OPEN_MPI_4, STEP, "srun's --mpi type is not one that Open MPI speaks", "srun --mpi=pmix"),
        (
            OPEN_MPI_4,
            PMIX | {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_VERSION": "5.0.11"},
            "the launcher is of Open MPI 5.0.11, the library of Open MPI 4.1.4",
            "the library's own mpiexec",
        ),
    ],
)
def test_a_library_that_would_end_the_process_is_not_begun(
    library: Library, environment: dict[str, str], cause: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as told:
        check_launcher(library, environment, lambda: False)

    assert f"This is one of 8 ranks, which cannot find each other: {cause}" in told.value.message
    assert remedy in told.value.hint


def test_a_library_that_may_have_been_built_for_its_launcher_is_begun() -> None:
    with_pmix = MPICH_5._replace(about="MPICH configure: --with-pmix=/usr")
    for library, environment in (
        (MPICH_5, STEP | PMI),
        (MPICH_5, STEP),
        (with_pmix, STEP | PMIX),
        (OPEN_MPI_4, STEP | PMIX),
        (OPEN_MPI_4, STEP | PMI),  # with Slurm's PMI
    ):
        check_launcher(library, environment, lambda: True)


def test_a_library_that_would_be_alone_without_dying_of_it_is_begun() -> None:
    for environment in ({"SLURM_NTASKS": "8"}, PMI, STEP | PMI | {"FLUX_JOB_ID": "1"}):
        check_launcher(OPEN_MPI_4, environment, lambda: False)


def test_only_open_mpi_under_srun_has_a_start_to_wait_for() -> None:
    assert races(OPEN_MPI_4, STEP | PMIX)
    assert not races(OPEN_MPI_4, STEP | PMIX | {"OMPI_COMM_WORLD_SIZE": "8"})
    assert not races(MPICH_5, STEP | PMI)
    assert not races(OPEN_MPI_4, {})


def test_what_is_right_passes() -> None:
    check(World(0, 8, 4, "MPICH"), {"D4PY_RANKS": "8", "D4PY_NODES": "4", "PMI_SIZE": "8"})
    check(World(0, 8, 4, "MPICH"), {}, asked=8)
    check(World(0, 1, 1, "Open MPI"), {"SLURM_NTASKS": "1", "PMI_SIZE": "nonsense"})


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "PMIX_RANK"])
def test_only_the_first_of_many_that_are_alone_speaks(name: str) -> None:
    assert first({name: "0"})
    assert not first({name: "1"})
    assert first({})


def test_who_is_first_is_said_by_the_launcher_that_counts() -> None:
    assert first({"OMPI_COMM_WORLD_RANK": "0", "SLURM_PROCID": "3"})  # its helper's
    assert not first({"OMPI_COMM_WORLD_RANK": "2", "SLURM_PROCID": "0"})
