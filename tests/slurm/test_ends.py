# SPDX-License-Identifier: Apache-2.0
"""What ends a run, or takes it away: nothing does where a job may yet go on with it. Slurm's programs are played."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from tests.slurm.played import Call, played

SITE = "--profile debian-test --time 10"
PLAYED = {
    "sbatch": """case "$*" in *--test-only*) exit;; esac
        echo "Welcome to the cluster."
        echo $((6 + $(grep -c "^sbatch --parsable" called)))
        echo "Your quota: 1 TB" """,
    "squeue": """[ ! -e silent ] || { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
        case "$*" in *%i\\|%T*) cat queue 2>/dev/null;; *) cat rooms 2>/dev/null;; esac; true""",
    "scontrol": "exit 1",
    "scancel": "",
}
STOPPED = {"status": "stopped", "exit_code": 5, "generation": 1, "error": "stopped after a checkpoint"}


@pytest.fixture
def site(tmp_path: Path) -> Call:
    """Call d4py beside Slurm's programs: what squeue tells of jobs is in `queue`, of where they work in `rooms`."""
    return played(tmp_path, PLAYED)


def of(here: Path, run: str) -> Path:
    """Return the folder of a run."""
    return here / "state/d4py/runs" / run


def leave(folder: Path, **state: object) -> None:
    """Let a run have begun, and its state say this."""
    (folder / "run.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps({"run": folder.name, **state}))


def queue(here: Path, *lines: str) -> None:
    """Let Slurm have these jobs."""
    (here / "queue").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("sweep", ["", " --sweep n=1,2"])
def test_a_run_that_a_job_waits_to_go_on_with_is_not_deleted(sweep: str, site: Call, tmp_path: Path) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a{sweep}").returncode == 0
    assert site(f"submit --slurm wf.py {SITE} --run-id old").returncode == 0
    leave(of(tmp_path, "old"), **STOPPED)
    for folder in (of(tmp_path, "a/0"), of(tmp_path, "a/1")) if sweep else (of(tmp_path, "a"),):
        leave(folder, **STOPPED)
        (folder / "job").mkdir(exist_ok=True)
        (folder / "job/ids").write_text("9\n")
    queue(tmp_path, "9_1|PENDING|Dependency" if sweep else "9|PENDING|Dependency")

    (tmp_path / "silent").touch()
    unknown = site("prune a"), site("prune --all")
    (tmp_path / "silent").unlink()
    named, listed = site("prune a"), site("prune --all --dry-run")

    for told in unknown:
        assert (told.returncode, told.stdout) == (2, ""), told.stderr
        assert (
            "d4py: error: Nothing was deleted, for jobs may wait to go on with these runs: squeue refuses"
            in told.stderr
        )
    assert (named.returncode, named.stdout) == (2, "")
    assert "still goes on. End it first: d4py cancel." in named.stderr
    assert [line.split(" (")[0] for line in listed.stdout.splitlines()[:-1]] == ["would delete old"]
    assert of(tmp_path, "a/job").is_dir()
    queue(tmp_path)
    assert site("prune a").stdout.startswith("deleted a (")


def test_a_run_whose_job_nobody_noted_is_not_deleted_and_one_that_is_done_needs_no_slurm(
    site: Call, tmp_path: Path
) -> None:
    for run, state in (("a", {"status": "failed", "exit_code": 3}), ("b", {"status": "done", "exit_code": 0})):
        assert site(f"submit --slurm wf.py {SITE} --run-id {run}").returncode == 0
        leave(of(tmp_path, run), **state)
    (tmp_path / "rooms").write_text(f"12|{of(tmp_path, 'a')}/job\n")

    refused = site("prune a")
    (tmp_path / "silent").touch()

    assert (refused.returncode, of(tmp_path, "a").is_dir()) == (2, True), refused.stdout
    assert refused.stderr.endswith("/a waits or runs. squeue --me shows it; d4py cancel ends it.\n")
    assert site("prune b").stdout.startswith("deleted b (")


def test_a_run_that_is_lost_here_while_its_job_waits_anew_is_queued(site: Call, tmp_path: Path) -> None:
    """Its process is seen to be gone, for the node is this machine."""
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    leave(of(tmp_path, "a"), status="running", pid=1, pid_start="0", host=os.uname().nodename)
    queue(tmp_path, "7|PENDING|BeginTime")

    assert "status     queued" in site("status a").stdout
    assert site("prune a").returncode == 2
    queue(tmp_path)
    assert "status     lost" in site("status a").stdout


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_that_was_sent_by_a_resume_which_died_is_found_by_the_next(
    begun: bool, site: Call, tmp_path: Path
) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    leave(of(tmp_path, "a"), **STOPPED)
    (tmp_path / "rooms").write_text(f"12|{of(tmp_path, 'a')}/job\n7|{of(tmp_path, 'a')}/job\n")
    queue(tmp_path, f"12|{'RUNNING' if begun else 'PENDING'}|None")

    again = site("resume a")

    assert (again.returncode, again.stdout) == (0, "a\n"), again.stderr
    assert json.loads((of(tmp_path, "a") / "submission.json").read_text())["jobs"] == ["7", "12"]
    assert "status     queued" in site("status a").stdout
    if begun:  # what it says is of that job
        leave(of(tmp_path, "a"), status="running", generation=2, pid=1, host="elsewhere")
        assert "status     running" in site("status a").stdout
    assert site("resume a").returncode == 2
    assert (tmp_path / "called").read_text().count("sbatch --parsable") == 1


def test_a_job_that_nobody_noted_is_cancelled(site: Call, tmp_path: Path) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    leave(of(tmp_path, "a"), **STOPPED)
    (tmp_path / "rooms").write_text(f"12|{of(tmp_path, 'a')}/job\n")
    queue(tmp_path, "12|PENDING|None")
    (tmp_path / "bin/scancel").write_text(f"#!/bin/sh\necho scancel $* >>{tmp_path}/called; : >{tmp_path}/queue\n")

    told = site("cancel a")

    assert (told.returncode, told.stdout) == (0, "a: stopped. Continue: d4py resume a\n"), told.stderr
    assert "scancel 12\n" in (tmp_path / "called").read_text()


def test_members_whose_jobs_a_resume_sent_which_died_are_not_sent_again(site: Call, tmp_path: Path) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id s --sweep n=1,2,3").returncode == 0
    for number in range(3):
        leave(of(tmp_path, f"s/{number}"), **STOPPED)
    room = of(tmp_path, "s/job")
    (tmp_path / "rooms").write_text(f"12_0|{room}\n12_2|{room}\n")
    queue(tmp_path, "12_0|PENDING|None", "12_2|PENDING|None", "8_1|PENDING|None")

    of_one, of_all, twice = site("resume s/0"), site("resume s"), site("resume s")

    assert (of_one.returncode, of_all.returncode, twice.returncode) == (0, 0, 2), of_one.stderr + of_all.stderr
    sent = [line for line in (tmp_path / "called").read_text().splitlines() if line.startswith("sbatch --parsable")]
    assert len(sent) == 2
    assert "--array=1 " in sent[1]


@pytest.mark.parametrize("sweep", ["", " --sweep n=1,2"])
def test_a_run_that_was_sent_and_done_before_that_was_noted_is_found(sweep: str, site: Call, tmp_path: Path) -> None:
    words = f"submit --slurm wf.py {SITE} --run-id a{sweep}"
    assert site(words).returncode == 0
    for folder in (of(tmp_path, "a/0"), of(tmp_path, "a/1")) if sweep else (of(tmp_path, "a"),):
        leave(folder, status="done", exit_code=0, generation=1)
        (folder / "logs/job-7.log").touch()
        (folder / "submission.json").unlink()
    of(tmp_path, "a/submission.json").unlink(missing_ok=True)
    before = of(tmp_path, "a/job/script").read_text()

    again = site(words.replace("--time 10", "--time 20"))

    assert (again.returncode, again.stdout) == (0, "slurm://a\n"), again.stderr
    assert json.loads(of(tmp_path, "a/submission.json").read_text())["jobs"] == ["7"]
    assert "done" in site("status a").stdout
    assert of(tmp_path, "a/job/script").read_text() == before
    assert (tmp_path / "called").read_text().count("sbatch --parsable") == 1


def test_a_run_of_this_machine_is_none_that_was_sent(site: Call, tmp_path: Path) -> None:
    assert site("run wf.py --run-id a -q").returncode == 0

    assert "already holds a run" in site(f"submit --slurm wf.py {SITE} --run-id a").stderr


def test_what_a_site_lets_sbatch_print_is_no_part_of_the_id(site: Call, tmp_path: Path) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    (tmp_path / "bin/sbatch").write_text('#!/bin/sh\ncase "$*" in *--test-only*) ;; *) echo Welcome;; esac\n')

    mute = site(f"submit --slurm wf.py {SITE} --run-id b")

    assert json.loads(of(tmp_path, "a/submission.json").read_text())["jobs"] == ["7"]
    assert (mute.returncode, len(mute.stderr.splitlines())) == (2, 1)
    assert "sbatch does not say which job it made: 'Welcome'." in mute.stderr
    assert not of(tmp_path, "b/submission.json").exists()


def test_a_next_job_that_could_not_be_sent_is_told_by_status(site: Call, tmp_path: Path) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    folder = of(tmp_path, "a")
    leave(folder, **STOPPED)
    said = "The next job could not be sent: sbatch: error: Job violates policy. d4py resume a sends it."
    (folder / "logs/job-7.log").write_text(f"d4py: error: {said}\n")
    (folder / "job/exit.7").write_text("5\n")
    later = time.time() + 1
    os.utime(folder / "job/exit.7", (later, later))

    assert f"(exit code 5; stopped after a checkpoint; no job follows: {said}" in site("status a").stdout


def test_a_next_job_that_failed_before_the_run_went_on_is_told_by_status(site: Call, tmp_path: Path) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    folder = of(tmp_path, "a")
    leave(folder, **STOPPED)
    (folder / "job/ids").write_text("8\n")
    (folder / "job/exit.8").write_text("127\n")
    later = time.time() + 1
    os.utime(folder / "job/exit.8", (later, later))

    why = "the job that was to go on with it ended with exit code 127: d4py logs a says why"
    assert f"(exit code 5; stopped after a checkpoint; {why})" in site("status a").stdout


def test_a_job_that_removes_what_it_made_on_the_disks_of_its_nodes_is_not_killed_meanwhile(
    site: Call, tmp_path: Path
) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    folder = of(tmp_path, "a")
    leave(folder, status="running", generation=1, pid=1, host="elsewhere")
    sent = json.loads((folder / "submission.json").read_text())
    sent["options"]["local"] = True
    (folder / "submission.json").write_text(json.dumps(sent))
    queue(tmp_path, "7|RUNNING|None")
    ends = f"""! ls {folder} | grep -q request-cancel || [ -e ended ] || {{
        touch ended
        echo '{json.dumps({"run": "a", "status": "cancelled", "exit_code": 5, "generation": 1})}' >{folder}/state.json
        (sleep 0.5; echo cleared >>{tmp_path}/called; : >{tmp_path}/queue; echo 5 >{folder}/job/exit.7) >/dev/null 2>&1 &
    }}
"""
    squeue = tmp_path / "bin/squeue"
    squeue.write_text(squeue.read_text() + ends)

    told = site("cancel a")

    assert told.stdout == "a: cancelled. Continue: d4py resume a\n", told.stderr
    called = (tmp_path / "called").read_text()
    assert "cleared" in called
    assert "scancel" not in called


def test_a_sweep_that_is_cancelled_has_the_jobs_of_its_members_cancelled_at_once(site: Call, tmp_path: Path) -> None:
    """One of them was cut, and goes on in a job of its own; one is done, and its job is about to end."""
    assert site(f"submit --slurm wf.py {SITE} --run-id s --sweep n=1,2,3").returncode == 0
    for number, status in enumerate(("running", "running", "done")):
        leave(of(tmp_path, f"s/{number}"), status=status, generation=1, pid=1, host="elsewhere")
    of(tmp_path, "s/0/job/ids").write_text("Welcome\n31\n")
    queue(tmp_path, "31_0|RUNNING|None", "7_1|RUNNING|None", "7_2|COMPLETING|None", "7_0|COMPLETED|None")

    told = site("cancel s --timeout 0.5")

    assert told.stdout == "s: 2 runs killed, not ended after 0.5 s. Continue: d4py resume s\n", told.stderr
    called = (tmp_path / "called").read_text().splitlines()
    assert [line for line in called if line.startswith("scancel")] == ["scancel 31_0 7_1"]


@pytest.mark.parametrize("now", ["", " --now"])
def test_a_live_source_is_left_to_drain_and_killed_only_where_that_was_asked(
    now: str, site: Call, tmp_path: Path
) -> None:
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    leave(of(tmp_path, "a"), status="running", generation=1, pid=1, host="elsewhere", live=True)
    queue(tmp_path, "7|RUNNING|None")

    told = site(f"cancel a --timeout 0.5{now}")

    called = (tmp_path / "called").read_text()
    assert told.returncode == 0
    assert len(list(of(tmp_path, "a").glob("request-cancel-*"))) == (2 if now else 1)
    if now:
        assert told.stdout == "a: killed: it had not ended after 0.5 s. Continue: d4py resume a\n"
        assert "scancel 7\n" in called
    else:
        assert told.stderr == "a: asked to cancel; it drains. Wait: d4py wait a; or d4py cancel a --now\n"
        assert "scancel" not in called


def test_a_run_that_was_done_before_it_was_cancelled_has_its_job_end_by_itself(site: Call, tmp_path: Path) -> None:
    """It may still be writing its output."""
    assert site(f"submit --slurm wf.py {SITE} --run-id a").returncode == 0
    leave(of(tmp_path, "a"), status="running", generation=1, pid=1, host="elsewhere", live=True)
    queue(tmp_path, "7|RUNNING|None")
    drained = json.dumps({"run": "a", "status": "done", "exit_code": 0, "generation": 1})
    squeue = tmp_path / "bin/squeue"
    squeue.write_text(squeue.read_text() + f"echo '{drained}' >{of(tmp_path, 'a')}/state.json\n")

    told = site("cancel a")

    assert told.stdout == "a: done, exit code 0\n", told.stderr
    assert "scancel" not in (tmp_path / "called").read_text()
