# SPDX-License-Identifier: Apache-2.0
"""Jobs that are cut off, by their time or by force, end with the answer of a run that was not."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, WORKFLOW, Call, eventually
from tests.slurm.test_runs import done, outputs, state, written

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


def test_a_job_that_comes_no_further_is_followed_by_none_until_somebody_gives_more_time(
    call: Call, here: Path, cluster: Cluster
) -> None:
    """The second job is told of its end while its source still writes again what it wrote in the first."""
    profile(here)
    gate, slow = here / "gate", here / "slow"
    (here / "wf.py").write_text(WORKFLOW.replace("0.03", f"(1 if os.path.exists({str(slow)!r}) else 0.03)"))
    call(f"submit --slurm wf.py --profile mine --ntasks-per-node 2 --time 10 --set gate={gate} --run-id vain")
    folder = here / "state/d4py/runs/vain"

    def told_of_its_end(job: str, generation: int) -> None:
        eventually(lambda: state(call, "vain")["generation"] == generation, "the job to begin")
        cluster.call("scancel", "--signal=USR1", "--batch", job)

    eventually(lambda: written(call, "vain") > 30, "some numbers")
    slow.touch()
    told_of_its_end(json.loads((folder / "submission.json").read_text())["jobs"][-1], 1)
    eventually(lambda: (folder / "job/ids").exists() and (folder / "job/ids").read_text(), "the second job")
    told_of_its_end((folder / "job/ids").read_text().strip(), 2)

    assert call("wait vain").code == 5
    told = call("status vain").out
    assert re.search(r"^status +stopped \(exit code 5; stopped after a checkpoint, no further than", told, re.MULTILINE)
    assert "so that no job follows: d4py resume vain --time gives it more time" in told
    assert "came no further than where it began, and none follows it" in call("logs vain").out
    assert len((folder / "job/ids").read_text().split()) == 1
    too_long = call("resume vain --time 3:00:00")
    assert (too_long.code, state(call, "vain")["status"]) == (2, "stopped")
    gate.touch()
    assert call("resume vain --time 20").code == 0
    done(call, "vain")
    last = json.loads((folder / "submission.json").read_text())["jobs"][-1]
    assert "TimeLimit=00:20:00" in cluster.call("scontrol", "show", "job", last)
    assert (folder / "job/script").read_text().count(" --time=20 ") == 2
    assert outputs(call, "vain") == ANSWER


def test_a_run_that_is_suspended_while_its_next_job_waits_waits_no_more(
    call: Call, here: Path, cluster: Cluster
) -> None:
    profile(here)
    gate = here / "gate"
    words = f"--profile mine --mapping simple --partition short --time 2 --set gate={gate} --run-id rest"
    call(f"submit --slurm wf.py {words}")
    folder = here / "state/d4py/runs/rest"
    eventually(lambda: written(call, "rest") > 30, "some numbers")
    (first,) = json.loads((folder / "submission.json").read_text())["jobs"]
    cluster.call("scontrol", "update", "partition=short", "state=down")
    try:
        cluster.call("scancel", "--signal=USR1", "--batch", first)
        eventually(lambda: state(call, "rest")["status"] == "queued", "the next job")
        suspended = call("suspend rest --timeout 60")
    finally:
        cluster.call("scontrol", "update", "partition=short", "state=up")

    assert (suspended.code, suspended.out) == (0, "rest: stopped. Continue: d4py resume rest\n"), suspended.err
    assert "d4py-rest" not in cluster.call("squeue", "--noheader", "--states=PENDING", "--format=%j")
    gate.touch()
    assert call("resume rest").code == 0
    done(call, "rest")
    assert outputs(call, "rest") == ANSWER


def test_a_run_that_is_cancelled_while_it_makes_its_last_checkpoint_stays_cancelled(
    call: Call, here: Path, cluster: Cluster
) -> None:
    profile(here)
    folder = here / "state/d4py/runs/cut"
    asked = f"any(name.startswith('request-cancel') for name in os.listdir({str(folder)!r}))"
    (here / "wf.py").write_text(
        WORKFLOW.replace("if gate and not os.path.exists(gate)", f"while number == 0 and not {asked}")
    )
    call("submit --slurm wf.py --profile mine --mapping simple --time 10 --run-id cut")
    eventually(lambda: state(call, "cut")["status"] == "running", "the run")

    cluster.call(
        "scancel", "--signal=USR1", "--batch", json.loads((folder / "submission.json").read_text())["jobs"][-1]
    )
    cancelled = call("cancel cut --timeout 60")

    assert cancelled.out == "cut: cancelled. Continue: d4py resume cut\n"
    eventually(lambda: "d4py-cut" not in cluster.call("squeue", "--noheader", "--format=%j"), "the job to end")
    assert not (folder / "job/ids").exists()
    assert state(call, "cut")["status"] == "cancelled"


class Cut:
    """A run that is cut twice, each time after a commit: by USR1 and, when the job that follows is sent, KILL; then by USR1 and, in a moment, KILL."""

    def __init__(self, folder: Path, cluster: Cluster, chance: random.Random) -> None:
        self._folder, self._cluster = folder, cluster
        self._after = [chance.randint(1, 4), chance.randint(1, 3)]  # checkpoints of a job
        self._moment = chance.choice((0.0, 0.3, 1.0, 3.0))  # seconds; none may follow where it is short
        self._steps = iter(self._course())

    def over(self) -> bool:
        """Do what is due; say whether all is done."""
        return next(self._steps, True)

    def _course(self) -> Iterator[bool]:
        ids = self._folder / "job/ids"
        while commits(self._folder) < self._after[0]:
            yield False
        first = json.loads((self._folder / "submission.json").read_text())["jobs"][-1]
        self._scancel("USR1", first)
        while not (ids.exists() and ids.read_text().endswith("\n")):
            yield False
        self._scancel("KILL", first)
        before = commits(self._folder)
        while not (self._folder / "generations/0002.json").exists() or commits(self._folder) < before + self._after[1]:
            yield False
        second = ids.read_text().split()[0]
        self._scancel("USR1", second)
        until = time.monotonic() + self._moment
        while time.monotonic() < until:
            yield False
        self._scancel("KILL", second)
        while second in self._cluster.call("squeue", "--noheader", "--format=%i").split():
            yield False

    def _scancel(self, signal: str, job: str) -> None:
        how = "--batch" if signal == "USR1" else "--full"
        self._cluster.call("scancel", f"--signal={signal}", how, job, check=False)  # it may have ended in this moment


def test_twenty_cuts_at_once_change_no_answer(call: Call, here: Path, cluster: Cluster) -> None:
    """Ten runs on two nodes, cut twice each, as Slurm cuts what is over its time; those that no job follows any more are resumed."""
    profile(here)
    chance = random.Random("cuts")
    words = "submit --slurm wf.py --profile mine --nodes 2 --ntasks-per-node 2 --time 10 --checkpoint 0.3"
    folders = {f"slurm://cut{number}": here / f"state/d4py/runs/cut{number}" for number in range(CUTS // 2)}
    gates = {run: folder / "generations/0003.json" for run, folder in folders.items()}  # open where a run goes on again
    with ThreadPoolExecutor(3) as threads:
        told = list(threads.map(lambda run: call(f"{words} --run-id {run[8:]} --set gate={gates[run]}"), folders))
    assert [one.out.strip() for one in told] == list(folders)
    cuts = [Cut(folder, cluster, chance) for folder in folders.values()]

    eventually(lambda: not [cut for cut in cuts if not cut.over()], "all to be cut")

    left = set(folders)

    def done_or_resumed(run: str) -> bool:
        """Resume a run once that is lost, which is known after a while, or stopped; say whether it is done."""
        status = state(call, run)["status"]
        if status in ("lost", "stopped") and run in left:
            left.remove(run)
            told = call(["resume", run])
            assert told.code == 0, told.err
        return status == "done"

    for run in folders:
        eventually(lambda run=run: done_or_resumed(run), f"{run} to be done")  # type: ignore[misc]
        assert outputs(call, run) == ANSWER
        assert int(str(state(call, run)["generation"])) == 3
