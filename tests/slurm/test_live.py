# SPDX-License-Identifier: Apache-2.0
"""A run with a live source on a real Slurm: cut, kept while its next job waits, cancelled, and drained to the last item."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call, eventually
from tests.slurm.test_runs import done, state

LIVE = """
import os, time
import d4py

class Clock(d4py.GenericPE):
    live = True

    def __init__(self):
        super().__init__()
        self._add_output("output")
        self.number = 0

    def process(self, inputs):
        while True:
            time.sleep(0.02)
            yield {"output": self.number}
            self.number += 1

@d4py.iterative
def slow(number: int, gate: str = "") -> int:
    while not os.path.exists(gate):
        time.sleep(0.02)
    return number

workflow = Clock() >> slow()
"""
SITE = 'launcher = ["srun", "--mpi=pmix"]\nagain = "dependent"\nmargin = 40\n'


def written(state: dict[str, Any]) -> int:
    """Return how many items were written so far."""
    return int(state["counts"]["Clock"]["written"]) if state["counts"] else 0


def under_way(state: dict[str, Any]) -> int:
    """Return how many items were written and not read: how many more may be depends on how fast they were read before."""
    return int(state["counts"]["Clock"]["written"] - state["counts"]["slow"]["read"])


def test_a_live_run_is_kept_while_its_next_job_waits_and_drains_for_as_long_as_that_takes(
    call: Call, here: Path, cluster: Cluster
) -> None:
    gate, folder = here / "gate", here / "100%u" / "live"
    gate.touch()
    (here / "live.py").write_text(LIVE)
    (here / "site.toml").write_text(SITE)
    words = "submit --slurm live.py --profile ./site.toml --ntasks-per-node 2 --time 2 --partition short"
    assert call(f"{words} --run-id live --run-dir {folder} --set gate={gate}").code == 0
    run = str(folder)
    eventually(lambda: state(call, run)["counts"] and state(call, run)["status"] == "running", "the run")
    (first,) = json.loads((folder / "submission.json").read_text())["jobs"]

    cluster.call("scontrol", "update", "partition=short", "state=down")  # what runs there goes on
    try:
        cluster.call("scancel", "--signal=USR1", "--batch", first)
        eventually(lambda: first not in cluster.call("squeue", "--noheader", "--format=%i").split(), "the job to end")
        waiting = state(call, run)
        kept = call(["prune", run])
    finally:
        cluster.call("scontrol", "update", "partition=short", "state=up")
    assert json.loads((folder / "state.json").read_text())["status"] == "stopped"
    assert (waiting["status"], kept.code) == ("queued", 2), kept.out
    assert "still goes on. End it first: d4py cancel." in kept.err
    assert (folder / f"logs/job-{first}.log").exists()

    eventually(lambda: state(call, run)["generation"] == 2 and state(call, run)["status"] == "running", "the next job")
    gate.unlink()
    before = written(state(call, run))  # perhaps by the first job: its clock need not go yet
    eventually(
        lambda: (now := state(call, run)) and written(now) > before and under_way(now) > 0, "what is to be drained"
    )
    before = written(state(call, run))
    cancelled = call(["cancel", run, "--timeout", "60"])
    assert "asked to cancel; it drains" in cancelled.err
    assert (cancelled.code, state(call, run)["status"]) == (0, "running")
    gate.touch()
    done(call, run)
    counts = state(call, run)["counts"]
    assert counts["Clock"]["written"] == counts["slow"]["read"] >= before  # type: ignore[index]
    assert call(["prune", run]).code == 0
