# SPDX-License-Identifier: Apache-2.0
"""What a launcher starts N times without --mapping mpi would be N whole runs, each content. It is refused, unless it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mpi.conftest import ANSWER
from tests.mpi.installed import Mpi
from tests.mpi.test_job import outputs

from d4py.errors import WrongWorld
from d4py.mappings import copies, get, launchers

RUN = ("run", "wf.py", "--run-dir", "r", "--output", "out.jsonl", "-q")
REFUSED = (
    "d4py: error: This is one of 2 processes that a launcher started, and each would do the whole run on the mapping '{}'. "
    "For one run on all of them add --mapping mpi; for one process give the launcher -n 1; for 2 runs on purpose set D4PY_RANKS=1."
)


def errors(said: str) -> list[str]:
    """Return the errors among what was said."""
    return [line for line in said.splitlines() if "d4py: error: " in line]


def test_a_mapping_that_was_forgotten_is_told_once_and_nothing_has_run(mpi: Mpi, here: Path) -> None:
    told = mpi.run(mpi.command(2, *RUN))

    assert told.returncode == 2, told.stderr
    assert errors(told.stderr) == [REFUSED.format("simple")]
    assert not list(here.glob("r*"))
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("mapping", ["threads", "multi"])
def test_no_mapping_of_one_machine_runs_in_copies(mapping: str, debian: Mpi, here: Path) -> None:
    told = debian.run(debian.command(2, *RUN, "--mapping", mapping))

    assert told.returncode == 2, told.stderr
    assert errors(told.stderr) == [REFUSED.format(mapping)]
    assert not Path("r").exists()


def test_a_run_is_not_resumed_in_copies(debian: Mpi, here: Path) -> None:
    Path("bad").touch()
    begun = debian.run([debian.python, "-m", "d4py.cli.main", *RUN])
    Path("bad").unlink()

    in_copies = debian.run(debian.command(2, "resume", "./r", "-q"))
    alone = debian.run(debian.command(1, "resume", "./r", "--output", "out.jsonl", "-q"))

    assert begun.returncode == 3, begun.stderr
    assert in_copies.returncode == 2, in_copies.stderr
    assert errors(in_copies.stderr) == [REFUSED.format("simple")]
    assert alone.returncode == 0, alone.stderr
    assert outputs("out.jsonl") == ANSWER


def test_what_is_in_quarantine_is_not_retried_in_copies(debian: Mpi, here: Path) -> None:
    Path("bad").touch()
    begun = debian.run([debian.python, "-m", "d4py.cli.main", *RUN, "--on-error", "quarantine"])

    in_copies = debian.run(debian.command(2, "retry", "./r", "-q"))

    assert begun.returncode == 4, begun.stderr
    assert in_copies.returncode == 2, in_copies.stderr
    assert errors(in_copies.stderr) == [REFUSED.format("simple")]


def test_one_process_of_a_launcher_is_no_copy(mpi: Mpi, here: Path) -> None:
    told = mpi.run(mpi.command(1, *RUN), SLURM_NTASKS="8", SLURM_JOB_ID="1", SLURM_STEP_NUM_TASKS="4")

    assert told.returncode == 0, told.stderr
    assert outputs("out.jsonl") == ANSWER


def test_one_rank_in_a_job_of_many_tasks_is_a_world_of_its_own(mpi: Mpi, here: Path) -> None:
    words = (*RUN, "--mapping", "mpi")

    told = mpi.run(mpi.command(1, *words), SLURM_NTASKS="8", SLURM_JOB_ID="1")

    assert told.returncode == 0, told.stderr
    assert outputs("out.jsonl") == ANSWER


def test_a_mapping_that_the_workflow_names_is_none_that_was_forgotten(debian: Mpi, here: Path) -> None:
    Path("wf.py").rename("workflow.py")
    Path("workflow.toml").write_text('[defaults]\nmapping = "mpi"\n')

    told = debian.run(debian.command(2, "run", ".", "--run-dir", "r", "--output", "out.jsonl", "-q"))

    assert told.returncode == 0, told.stderr
    assert outputs("out.jsonl") == ANSWER


def test_runs_of_their_own_may_be_started_beside_each_other_on_purpose(debian: Mpi, here: Path) -> None:
    each = 'exec "$@" --run-dir "r$OMPI_COMM_WORLD_RANK"'
    words = ["sh", "-c", each, "sh", debian.python, "-m", "d4py.cli.main", "run", "wf.py", "-q"]

    told = debian.run([debian.mpiexec, "-n", "2", *words], D4PY_RANKS="1")

    assert told.returncode == 0, told.stderr
    assert sorted(path.parent.name for path in Path().glob("r?/state.json")) == ["r0", "r1"]


def test_the_old_command_is_refused_in_copies_too(debian: Mpi, here: Path) -> None:
    words = ("-m", "d4py.compat", "simple", "wf.py")

    told = debian.run([debian.mpiexec, "-n", "2", debian.python, *words])

    assert told.returncode == 2, told.stderr
    assert errors(told.stderr) == [REFUSED.format("simple")]


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({}, 0),
        ({"SLURM_NTASKS": "8", "SLURM_JOB_ID": "1", "SLURM_PROCID": "0"}, 0),  # a job's own script
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"}, 1),  # srun -n 1
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "3"}, 8),
        ({"OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "4"}, 1),  # of helpers that srun started on four nodes
        ({"PMI_SIZE": "2", "SLURM_STEP_NUM_TASKS": "4"}, 2),
        ({"MV2_COMM_WORLD_SIZE": "2"}, 2),
        ({"PMI_SIZE": "nonsense"}, 0),
    ],
)
def test_a_launcher_is_believed_before_the_job_around_it(environment: dict[str, str], count: int) -> None:
    assert launchers.told(environment) == count
    assert launchers.launched(environment) == (count > 1)


def test_a_container_of_each_copy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setattr(copies, "let_the_first_speak", lambda: None)

    with pytest.raises(WrongWorld, match="would do the whole run in a container of its own"):
        copies.refuse()


def test_a_mapping_of_ranks_is_never_refused_as_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")

    copies.refuse(get("mpi"))
