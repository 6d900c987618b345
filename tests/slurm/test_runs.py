# SPDX-License-Identifier: Apache-2.0
"""A run on a real Slurm of four nodes: submitted, watched, failed, cancelled, cut off, continued."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, Call, eventually

SITE = "--profile debian-test --nodes 4 --ntasks-per-node 2 --time 10"


def outputs(call: Call, run: str) -> list[tuple[str, int]]:
    """Return what a run gave."""
    lines = call(["outputs", run]).out.splitlines()
    found = [re.search(r"\['(\w)', (\d+)\]|\('(\w)', (\d+)\)", line) for line in lines]
    return sorted((one[1] or one[3], int(one[2] or one[4])) for one in found if one)


def done(call: Call, run: str) -> None:
    """Wait for a run, which succeeds."""
    waited = call(["wait", run])
    assert waited.code == 0, waited.out + call(["status", run]).out + call(["logs", run]).out


def state(call: Call, run: str) -> dict[str, object]:
    """Return the state of a run."""
    told: dict[str, object] = json.loads(call(["status", run, "-o", "json"]).out)
    return told


def written(call: Call, run: str) -> int:
    """Return how many numbers there are so far."""
    counts = state(call, run)["counts"]
    assert isinstance(counts, dict)
    return int(counts["numbers"]["written"]) if counts else 0


def test_a_run_is_submitted_at_once_and_spread_over_the_nodes(call: Call) -> None:
    sent = call(f"submit --slurm wf.py {SITE}")
    run = sent.out.strip()

    assert sent.code == 0, sent.err
    assert re.fullmatch(r"slurm://[\w-]+", run)
    waited = call(["wait", run])
    status = call(["status", run])
    logs = call(["logs", run])
    assert waited.code == 0, logs.out
    assert outputs(call, run) == ANSWER
    assert re.search(r"^job +\d+", status.out, re.MULTILINE)
    assert re.search(r"^mapping +mpi$", status.out, re.MULTILINE)
    assert len(set(re.findall(r"on (n\d)", logs.out))) >= 2
    assert run.removeprefix("slurm://") in call("list").out


def test_a_pe_that_raises_fails_the_run_with_its_name(call: Call, here: Path) -> None:
    (here / "bad").touch()

    sent = call(f"submit --slurm wf.py {SITE} --wait")
    run = sent.out.strip()

    assert sent.code == 3
    assert state(call, run)["status"] == "failed"
    assert "ValueError: fifteen hundred" in str(state(call, run)["error"])
    assert "PE 'Count', instance Count[" in call(["logs", run]).out


def test_a_run_that_goes_on_makes_a_checkpoint_is_cancelled_and_resumed_and_its_logs_are_followed(
    call: Call, here: Path, cluster: Cluster
) -> None:
    gate = here / "gate"
    run = call(f"submit --slurm wf.py {SITE} --set gate={gate}").out.strip()
    folder = here / "state" / "d4py" / "runs" / run.removeprefix("slurm://")
    eventually(lambda: written(call, run), "the run")
    asked = call(["snapshot", run, "--timeout", "60"])
    assert asked.code == 0, asked.err
    assert list((folder / "commits").glob("e*.json"))
    assert state(call, run)["status"] == "running"

    cancelled = call(["cancel", run, "--timeout", "60"])
    name = run.replace("slurm://", "d4py-")
    eventually(lambda: name not in cluster.call("squeue", "--noheader", "--format=%j"), "the job to end")

    assert cancelled.code == 0
    assert state(call, run)["status"] == "cancelled"
    assert call(["resume", run]).out.strip() == run.removeprefix("slurm://")
    with ThreadPoolExecutor(1) as threads:
        followed = threads.submit(call, ["logs", "-f", run])  # while it goes on
        eventually(lambda: state(call, run)["status"] == "running", "the run to go on")
        gate.touch()
        done(call, run)
    assert outputs(call, run) == ANSWER
    assert sorted(followed.result().out.splitlines()) == sorted(call(["logs", run]).out.splitlines())
    assert set(re.findall(r"on (n\d)", followed.result().out))


def test_a_job_that_waits_is_queued_and_can_be_cancelled(call: Call, cluster: Cluster) -> None:
    cluster.call("scontrol", "update", "partition=short", "state=down")
    try:
        run = call("submit --slurm wf.py --profile generic --partition short").out.strip()
        status = call(["status", run])
        logs = call(["logs", run])

        assert state(call, run)["status"] == "queued"
        assert "pending (" in status.out
        assert (logs.code, logs.out) == (0, "")
        assert call(["cancel", run, "--timeout", "60"]).code == 0
        assert state(call, run)["status"] == "cancelled"
        assert call(["wait", run]).code == 5
    finally:
        cluster.call("scontrol", "update", "partition=short", "state=up")


def test_usr1_before_the_end_makes_a_checkpoint_and_the_run_goes_on(call: Call, here: Path, cluster: Cluster) -> None:
    gate = here / "gate"
    profiles = here / "config" / "d4py" / "profiles"
    profiles.mkdir(parents=True)
    late = """prologue = ['sbatch() { sleep 4; command sbatch "$@"; }']"""
    text = f'launcher = ["srun", "--mpi=pmix"]\nagain = "dependent"\nmargin = 30\n{late}\n'
    (profiles / "mine.toml").write_text(text)
    site = SITE.replace("debian-test", "mine")
    run = call(f"submit --slurm wf.py {site} --set gate={gate}").out.strip()
    folder = here / "state" / "d4py" / "runs" / run.removeprefix("slurm://")
    eventually(lambda: written(call, run), "the run")
    job = json.loads((folder / "submission.json").read_text())["jobs"][-1]

    cluster.call("scancel", "--signal=USR1", "--batch", job)
    eventually(lambda: state(call, run)["status"] != "running", "the checkpoint")
    assert state(call, run)["status"] == "queued"
    gate.touch()
    done(call, run)
    assert state(call, run)["generation"] == 2
    assert outputs(call, run) == ANSWER
    assert len((folder / "job" / "ids").read_text().split()) == 1


def test_a_node_that_dies_leaves_a_run_that_is_lost_and_can_be_resumed(
    call: Call, here: Path, cluster: Cluster
) -> None:
    gate = here / "gate"
    words = f"submit --slurm wf.py --profile generic --nodes 2 --ntasks-per-node 2 --time 10 --set gate={gate}"
    run = call(f"{words} --checkpoint 0.2").out.strip()
    folder = here / "state" / "d4py" / "runs" / run.removeprefix("slurm://")
    eventually(lambda: list((folder / "commits").glob("e*.json")), "a checkpoint")
    (job,) = json.loads((folder / "submission.json").read_text())["jobs"]
    nodes = cluster.call("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
    second = int(cluster.call("scontrol", "show", "hostnames", nodes).split()[1][1:])

    cluster.kill_node(second)
    try:
        eventually(lambda: state(call, run)["status"] not in ("running", "starting"), "the run to end")
        told = call(["wait", run])
    finally:
        cluster.start_node(second)
        eventually(lambda: cluster.states() == ["idle"] * cluster.nodes, "nodes")

    assert told.code == 5
    assert (state(call, run)["status"], state(call, run)["exit_code"]) == ("lost", 5)
    gate.touch()
    here_again = call(["resume", run, "--here", "--mapping", "multi", "-n", "2", "-q"])
    assert here_again.code == 0, here_again.err
    assert outputs(call, run) == ANSWER


def test_submitting_twice_finds_the_first(call: Call, here: Path, cluster: Cluster) -> None:
    words = "submit --slurm wf.py --profile debian-test --ntasks-per-node 2 --time 10 --run-id twice"

    first, second = call(words), call(words)

    assert first.out == second.out == "slurm://twice\n"
    done(call, "twice")
    assert len(list((here / "state/d4py/runs/twice/logs").glob("job-*.log"))) == 1


def test_one_node_runs_the_other_mappings(call: Call) -> None:
    for mapping in ("simple", "multi"):
        sent = call(f"submit --slurm wf.py --profile generic --ntasks-per-node 3 --mapping {mapping} --wait")

        assert sent.code == 0, sent.err
        assert outputs(call, sent.out.strip()) == ANSWER


def test_an_mpi_type_that_the_library_does_not_speak_is_refused_by_every_rank_and_told_once(
    call: Call, here: Path
) -> None:
    profiles = here / "config" / "d4py" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "wrong.toml").write_text('launcher = ["srun", "--mpi=none"]\n')

    sent = call(f"submit --slurm wf.py {SITE.replace('debian-test', 'wrong')} --run-id wrong")
    eventually(lambda: list((here / "state/d4py/runs/wrong/job").glob("exit.*")), "the job to end")

    (code,) = (here / "state/d4py/runs/wrong/job").glob("exit.*")
    log = call("logs wrong").out
    assert sent.code == 0
    assert int(code.read_text()) == 2, log
    told = [line for line in log.splitlines() if "d4py: error: " in line]
    assert len(told) == 1, log
    assert "This is one of 8 ranks, which cannot find each other: srun's --mpi type is not one that Open MPI" in told[0]
    assert ranks_that_left_with(2, log) == set(range(8)), log
    assert not (here / "state/d4py/runs/wrong/run.json").exists()


def ranks_that_left_with(code: int, log: str) -> set[int]:
    """Return the ranks that ended with an exit code, as srun says."""
    listed = re.findall(rf"tasks? ([\d,-]+): Exited with exit code {code}$", log, re.MULTILINE)
    spans = [span.partition("-") for part in listed for span in part.split(",")]
    return {rank for first, _, last in spans for rank in range(int(first), int(last or first) + 1)}


def test_a_profile_is_checked_by_a_job_that_says_which_launchers_work(call: Call, here: Path) -> None:
    profiles = here / "config" / "d4py" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "wrong.toml").write_text('launcher = ["srun", "--mpi=none"]\n')

    good, bad = call("profile check debian-test"), call("profile check wrong")

    assert good.code == 0, good.err
    assert re.search(r"^works +srun --mpi=pmix +2 ranks, 2 nodes$", good.out, re.MULTILINE)
    assert re.search(r"^works +mpiexec -n {ranks} +2 ranks, 2 nodes$", good.out, re.MULTILINE)
    assert re.search(r"^fails +srun --mpi=pmi2 +This is one of 2 ranks, which cannot", good.out, re.MULTILINE)
    assert bad.code == 2
    assert re.search(r"^fails +srun --mpi=none +\S", bad.out, re.MULTILINE)
    assert "The launcher of the profile 'wrong' does not work. Set launcher = " in bad.err


def test_ranks_that_die_at_their_start_end_the_job(call: Call, here: Path) -> None:
    dies = 'import os\nif os.environ.get("SLURM_NODEID") == "0": os.abort()\n'
    (here / "dies.py").write_text(dies + (here / "wf.py").read_text())

    run = call(f"submit --slurm dies.py {SITE}").out.strip()
    eventually(lambda: state(call, run)["status"] == "lost", "the job to end")

    assert call(["wait", run]).code == 5
