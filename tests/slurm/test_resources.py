# SPDX-License-Identifier: Apache-2.0
"""What PEs ask for is had by the job on a real Slurm, and by the PEs in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call

TOLD = """
import os, socket
import d4py

@d4py.producer
def numbers():
    yield from range(40)

class Tell(d4py.IterativePE):
    stateless = True

    def preprocess(self):
        import numpy, threadpoolctl
        (blas,) = [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
        place = socket.gethostname(), os.getpid()
        self.write("output", (*place, self.resources.threads, blas, len(os.sched_getaffinity(0))))

    def _process(self, value):
        return None

workflow = numbers() >> Tell()
"""
TOML = '[resources.Tell]\nprocesses = 2\nthreads = 2\nmemory = "300M"\nper_node = 1\n'
SITE = "--nodes 2 --ntasks-per-node 2 --time 5"


@pytest.fixture(autouse=True)
def asking(here: Path) -> None:
    (here / "asking").mkdir()
    (here / "asking" / "workflow.py").write_text(TOLD)
    (here / "asking" / "workflow.toml").write_text(TOML)


def told(call: Call, run: str) -> list[list[Any]]:
    """Return what the instances saw: host, process, threads that were asked for, BLAS's threads, processors."""
    return [json.loads(line)["value"] for line in call(["outputs", run, "-o", "json"]).out.splitlines()]


def job_of(call: Call, cluster: Cluster, run: str) -> str:
    """Return what Slurm says of the job of a run."""
    folder = Path(json.loads(call(["status", run, "-o", "json"]).out)["folder"])
    (job,) = json.loads((folder / "submission.json").read_text())["jobs"]
    return cluster.call("scontrol", "show", "job", job)


@pytest.mark.parametrize(
    ("profile", "ranks", "processors", "memory"), [("generic", 1, 4, "556M"), ("debian-test", 2, 8, "812M")]
)
def test_the_job_asks_for_it_and_the_pe_has_it(
    profile: str, ranks: int, processors: int, memory: str, call: Call, cluster: Cluster
) -> None:
    """By mpiexec, which binds each of two ranks to a processor if it is left to, and by srun: an instance on each node, BLAS with two threads."""
    sent = call(f"submit --slurm asking --profile {profile} --nodes 2 --ntasks-per-node {ranks} --time 5 --wait")
    run = sent.out.strip()
    instances = told(call, run)
    job = job_of(call, cluster, run)

    assert sent.code == 0, call(["logs", run]).out
    assert len({host for host, *_ in instances}) == len(instances) == 2
    assert [seen for _, _, *seen in instances] == [[2, 2, 2]] * 2
    assert "CPUs/Task=2" in job
    assert re.search(rf"NumCPUs={processors}\b", job)
    assert f"MinMemoryNode={memory}" in job  # one instance, and 256 MB for each rank


def test_the_command_line_goes_before_workflow_toml(call: Call, cluster: Cluster) -> None:
    words = f"submit --slurm asking --profile generic {SITE} --resource Tell.threads=1 --resource Tell.memory=1G --wait"
    run = call(words).out.strip()

    assert [seen[:2] for _, _, *seen in told(call, run)] == [[1, 1]] * 2
    assert "MinMemoryNode=1.50G" in job_of(call, cluster, run)


def test_processes_of_one_node_have_it_too(call: Call, cluster: Cluster) -> None:
    sent = call("submit --slurm asking --profile generic --mapping multi --ntasks-per-node 2 --time 5 --wait")
    run = sent.out.strip()

    assert sent.code == 0, call(["logs", run]).out
    assert [seen[:2] for _, _, *seen in told(call, run)] == [[2, 2]] * 2
    assert "CPUs/Task=2" in job_of(call, cluster, run)


def test_a_site_that_forbids_a_flag_is_heeded(call: Call) -> None:
    site = "--profile supermuc-ng --account pn12 --time 30 --ntasks-per-node 8"

    fits = call(f"submit --slurm asking {site} --nodes 2 --dry-run")
    too_much = call(f"submit --slurm asking {site} --nodes 2 --resource Tell.memory=200G --dry-run")

    assert fits.code == 0, fits.err
    assert "--cpus-per-task=2" in fits.out
    assert "--mem" not in fits.out
    assert too_much.code == 2
    assert "on one node need 202G of memory; a node of 'supermuc-ng' has 96G." in too_much.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "--resource Tel.threads=2",
            "--resource asks for resources of 'Tel'; the workflow has the PEs 'numbers', 'Tell'.",
        ),
        ("--resource Tell.thread=2", "--resource, Tell: there is no 'thread'; there is 'processes', 'threads',"),
        ("--resource Tell.threads=-2", "--resource, Tell: threads is '-2'. Give a whole number of at least 1."),
        ("--resource Tell.memory=8", "--resource, Tell: memory is '8'. Write a size such as"),
        ("--resource threads=8", "'threads=8' is not of the form PE.name=value"),
        ("--resource Tell.memory=9G", "sbatch refuses: "),
        ("--resource Tell.threads=5", "sbatch refuses: "),
        ("--resource Tell.processes=3", "PE 'Tell' has 3 instances, of which a node may have 1; there are 2 nodes."),
        ("--cpus-per-task 1", "A PE asks for 2 threads, but --cpus-per-task is 1."),
    ],
)
def test_what_cannot_be_had_is_one_line_with_the_remedy(words: str, says: str, call: Call, here: Path) -> None:
    refused = call(f"submit --slurm asking --profile generic {SITE} {words}")

    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1
    assert says in refused.err
    assert not list((here / "state").glob("d4py/runs/*/submission.json"))


def test_a_table_that_is_wrong_is_told_with_its_file(call: Call, here: Path) -> None:
    (here / "asking" / "workflow.toml").write_text("[resources.Tell]\nthreads = 'many'\n")

    refused = call("submit --slurm asking")

    assert refused.code == 2
    assert f"[resources] of {here}/asking/workflow.toml, Tell: threads is 'many'." in refused.err
