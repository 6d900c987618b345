# SPDX-License-Identifier: Apache-2.0
"""Jobs whose time is really over go on: by the same job, and by one that depends on it. A job whose node dies waits to begin again. All wait beside each other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, WORKFLOW, Call, caller, eventually
from tests.slurm.test_runs import done, outputs, state

SITE = 'launcher = ["srun", "--mpi=pmix"]\nagain = "{again}"\nmargin = 60\nrequired = ["--nodelist={nodes}"]\n'
WORDS = "--nodes 2 --ntasks-per-node 2"
RUNS = {  # how they go on; minutes: Slurm tells up to 60 s early, and nothing follows a job that was told while its ranks load
    "dead": ("requeue", 10),
    "requeue": ("requeue", 2),
    "stuck": ("dependent", 2),
    "dependent": ("dependent", 2),
}


class Sent(NamedTuple):
    """What calls d4py, and where the runs are; each is named by how it goes on."""

    call: Call
    runs: Path


@pytest.fixture(scope="module")
def sent(cluster: Cluster) -> Iterator[Sent]:
    """Runs of which each job has two minutes, and one on nodes of its own, of which one dies. They write slowly until they have gone on, or stand in a call."""
    with tempfile.TemporaryDirectory(prefix="d4py-work-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        here = Path(folder)
        (here / "wf.py").write_text(WORKFLOW.replace("0.03", "0.1"))  # as long as Slurm takes to tell, and longer
        (here / "stuck.py").write_text(WORKFLOW.replace("time.sleep(0.03)", "time.sleep(0.03 if number < 99 else 99)"))
        call, runs = caller(cluster, here), here / "state/d4py/runs"
        for run, (again, minutes) in RUNS.items():
            (here / f"{run}.toml").write_text(SITE.format(again=again, nodes="n3,n4" if run == "dead" else "n1,n2"))
            gate = runs / run / "generations/0002.json"
            every = 5 if run in ("requeue", "dependent") else 0.3
            file = "stuck.py" if run == "stuck" else "wf.py"
            words = f"{WORDS} --time {minutes} --profile ./{run}.toml --checkpoint {every} --run-id {run}"
            told = call(f"submit --slurm {file} {words} --set gate={gate}")
            assert told.code == 0, told.err
        eventually(lambda: list((runs / "dead/commits").glob("e*.json")), "a checkpoint")
        cluster.kill_node(4)
        try:
            yield Sent(call, runs)
        finally:
            cluster.call("scancel", "--name=d4py-dead")
            cluster.start_node(4)
            eventually(lambda: cluster.states()[3] == "idle", "the node")


def test_a_job_whose_time_is_over_is_requeued_and_goes_on(sent: Sent, cluster: Cluster) -> None:
    call, runs = sent
    folder = runs / "requeue"
    (job,) = json.loads((folder / "submission.json").read_text())["jobs"]

    eventually(
        lambda: "BeginTime" in cluster.call("squeue", "--noheader", f"--jobs={job}", "--format=%r"), "it to wait"
    )
    assert state(call, "requeue")["status"] == "queued"
    eventually(
        lambda: state(call, "requeue")["status"] == "done", "it to go on", within=200
    )  # it waits as long as a credential lasts
    done(call, "requeue")
    assert state(call, "requeue")["generation"] == 2
    assert outputs(call, "requeue") == ANSWER
    assert len(json.loads((folder / "submission.json").read_text())["jobs"]) == 1
    assert not (folder / "job" / "ids").exists()


def test_a_job_whose_time_is_over_goes_on_in_the_next(sent: Sent) -> None:
    call, runs = sent

    eventually((runs / "dependent/job/ids").exists, "Slurm to say that the time is nearly over")

    done(call, "dependent")
    assert state(call, "dependent")["generation"] == 2
    assert outputs(call, "dependent") == ANSWER


def test_a_job_whose_checkpoint_is_not_done_in_time_goes_on_in_the_next_from_one_before_it(sent: Sent) -> None:
    call, runs = sent

    eventually((runs / "stuck/job/ids").exists, "the next job to be sent")

    done(call, "stuck")
    assert state(call, "stuck")["generation"] == 2
    assert outputs(call, "stuck") == ANSWER


def test_a_job_of_which_a_node_dies_waits_to_begin_again(sent: Sent) -> None:
    call, runs = sent

    eventually(lambda: state(call, "dead")["status"] == "queued", "Slurm to find that the node is dead")

    assert len(json.loads((runs / "dead/submission.json").read_text())["jobs"]) == 1
