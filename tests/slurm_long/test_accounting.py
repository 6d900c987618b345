# SPDX-License-Identifier: Apache-2.0
"""With accounting, Slurm knows how a job ended long after it has forgotten the job; without, what says nothing for long is given up."""

from __future__ import annotations

from pathlib import Path

from tests.slurm.conftest import Call, eventually
from tests.slurm.test_runs import state
from tests.slurm_long.accounting import Accounted

SITE = "--profile generic --ntasks-per-node 2 --time 3"


def test_a_run_whose_state_was_never_written_has_the_end_that_sacct_tells(call: Call, cluster: Accounted) -> None:
    cluster.call("scontrol", "update", "partition=micro", "state=down")
    run = call(f"submit --slurm wf.py {SITE} --partition micro").out.strip()
    assert state(call, run)["status"] == "queued"
    cluster.call("scancel", "--user=root", "--partition=micro")
    cluster.call("scontrol", "update", "partition=micro", "state=up")
    forgotten(cluster)

    eventually(lambda: state(call, run)["status"] == "lost", "the end of the job")

    assert state(call, run)["error"] == "its job has ended (cancelled) without a word"
    assert call(["wait", run]).code == 5


def test_a_run_whose_state_is_gone_has_the_end_that_sacct_tells_where_there_is_accounting(
    call: Call, here: Path, cluster: Accounted
) -> None:
    run = call(f"submit --slurm wf.py {SITE} --wait").out.strip()
    (here / "state" / "d4py" / "runs" / run.removeprefix("slurm://") / "state.json").unlink()
    forgotten(cluster)

    eventually(lambda: state(call, run)["status"] == "lost", "the end of the job")
    without = call(["status", run], SLURM_CONF=str(cluster.unaccounted))

    assert state(call, run)["error"] == "its job has ended (completed) without a word"
    assert "lost (exit code 5; its job has ended without a word)" in without.out


def forgotten(cluster: Accounted) -> None:
    """Wait until the controller knows no job any more."""
    eventually(lambda: "JobId" not in cluster.call("scontrol", "show", "jobs", check=False), "Slurm to forget")
