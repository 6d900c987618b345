# SPDX-License-Identifier: Apache-2.0
"""Jobs that are cut off, by their time or by force, end with the answer of a run that was not."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, Call, eventually
from tests.slurm.test_runs import done, outputs, state

MINE = 'launcher = ["srun", "--mpi=pmix"]\nagain = "dependent"\nmargin = 40\n'
CUTS = 20


def profile(here: Path) -> None:
    """Lay down a site where a run goes on in a job that depends on the one that was cut."""
    folder = here / "config" / "d4py" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(MINE)


def commits(folder: Path) -> int:
    """Return the number of the newest checkpoint."""
    return max((int(path.stem[1:7]) for path in (folder / "commits").glob("e*.json")), default=0)


def test_a_job_whose_time_is_over_goes_on_in_the_next(call: Call, here: Path) -> None:
    profile(here)
    gate = here / "gate"
    words = f"submit --slurm wf.py --profile mine --nodes 2 --ntasks-per-node 2 --time 1 --set gate={gate}"
    run = call(words).out.strip()
    folder = here / "state" / "d4py" / "runs" / run.removeprefix("slurm://")

    eventually((folder / "job" / "ids").exists, "Slurm to say that the time is nearly over")
    gate.touch()

    done(call, run)
    assert state(call, run)["generation"] == 2
    assert outputs(call, run) == ANSWER


def test_twenty_cuts_at_once_change_no_answer(call: Call, here: Path, cluster: Cluster) -> None:
    """Half of the runs are told by USR1 and go on by themselves; half are cancelled by KILL, before which Slurm may say TERM, and resumed."""
    profile(here)
    chance = random.Random("cuts")
    gate = here / "gate"
    words = f"submit --slurm wf.py --profile mine --ntasks-per-node 2 --time 10 --checkpoint 0.3 --set gate={gate}"
    runs = [call(f"{words} --run-id cut{number}").out.strip() for number in range(CUTS)]
    folders = {run: here / "state/d4py/runs" / run.removeprefix("slurm://") for run in runs}
    left = {run: chance.randint(1, 4) for run in runs}  # the checkpoint after which each is cut

    def cut_what_is_due() -> bool:
        for run in [run for run in left if commits(folders[run]) >= left[run]]:
            del left[run]
            job = json.loads((folders[run] / "submission.json").read_text())["jobs"][-1]
            if runs.index(run) % 2:
                cluster.call("scancel", "--signal=USR1", "--batch", job)
            else:
                cluster.call("scancel", "--signal=KILL", "--full", job)
        return not left

    eventually(cut_what_is_due, "all to be cut")
    for run in runs[::2]:
        eventually(lambda run=run: state(call, run)["status"] in ("lost", "stopped"), f"{run} to end")  # type: ignore[misc]
        call(["resume", run])
    gate.touch()

    for run in runs:
        eventually(lambda run=run: state(call, run)["status"] == "done", f"{run} to be done")  # type: ignore[misc]
        assert outputs(call, run) == ANSWER
        assert int(str(state(call, run)["generation"])) == 2
