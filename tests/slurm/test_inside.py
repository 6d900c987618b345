# SPDX-License-Identifier: Apache-2.0
"""A run that is submitted from within a job, or by a rank, is told nothing of that job."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, SOURCE_ROOT, Call
from tests.slurm.test_runs import done, outputs

from d4py.targets.slurm.commands import outside

OF_THE_USER = {
    "SLURM_CONF": "/etc/slurm.conf",
    "OMPI_MCA_btl": "tcp",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "SBATCH_ACCOUNT": "a",
}
OF_A_JOB = ("SLURM_EXPORT_ENV", "SLURM_MEM_PER_NODE", "SLURMD_NODENAME", "SRUN_CPUS_PER_TASK", "D4PY_RANKS")
OF_A_RANK = ("OMPI_COMM_WORLD_SIZE", "OMPI_MCA_ess", "PMIX_RANK", "PMI_RANK", "PMI_FD", "HYDI_CONTROL_FD")


def test_what_the_user_has_set_stays() -> None:
    told = dict.fromkeys((*OF_A_JOB, *OF_A_RANK), "1")

    assert outside({**OF_THE_USER, **told}) == OF_THE_USER


@pytest.mark.parametrize("profile", ["generic", "debian-test"])
def test_a_run_that_a_rank_of_a_job_submits_is_as_any_other(
    profile: str, call: Call, here: Path, cluster: Cluster
) -> None:
    """The job around it has other processors, memory and a launcher, and lets srun export nothing."""
    launcher = '["mpiexec", "-n", "{ranks}"]' if profile == "generic" else '["srun", "--mpi=pmix"]'
    (here / "site.toml").write_text(f'launcher = {launcher}\nprologue = ["env >{here}/told"]\n')
    places = {
        "PYTHONPATH": SOURCE_ROOT,
        "XDG_STATE_HOME": here / "state",
        "SLURM_EXPORT_ENV": "NONE",
    }
    rank = ["mpiexec", "-n", "1", sys.executable, "-m", "d4py.cli.main"]
    words = "submit --slurm wf.py --profile ./site.toml --nodes 2 --ntasks-per-node 2 --time 5 --run-id inner"
    around = ["srun", "--nodes=1", "--ntasks=1", "--cpus-per-task=2", "--mem=100M", f"--chdir={here}"]

    told = cluster.call(*around, "env", *(f"{name}={value}" for name, value in places.items()), *rank, *words.split())

    assert told == "slurm://inner\n"
    done(call, "inner")
    assert outputs(call, "inner") == ANSWER
    names = {line.partition("=")[0] for line in (here / "told").read_text().splitlines()}
    assert not names & {*OF_A_JOB, *OF_A_RANK, "SLURM_CPUS_PER_TASK", "SLURM_STEP_ID", "SLURM_SRUN_COMM_HOST"} - {
        "SLURMD_NODENAME",  # its own
        "SLURM_EXPORT_ENV",  # of the user that submitted
    }
