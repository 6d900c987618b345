# SPDX-License-Identifier: Apache-2.0
"""What is asked of a run whose job waits. Slurm is played; bash runs the script as slurmd would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.slurm.conftest import SOURCE_ROOT, eventually
from tests.slurm.played import Call, played
from tests.slurm.test_code import PLAYED, SITE, job, values

WAITING = "test -e cancelled || echo '{}|PENDING|Dependency'"
FLOW = """
import d4py

@d4py.producer
def words():
    yield "word"

workflow = d4py.WorkflowGraph()
workflow.add(words())
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder that runs are sent from."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/flow.py").write_text(FLOW)
    return tmp_path / "here"


@pytest.fixture
def site(here: Path) -> Call:
    """Call d4py beside Slurm's programs as they are played; its first job waits."""
    cancels = f'touch "{here}/cancelled"'
    return played(here, {**PLAYED, "squeue": WAITING.format(7), "scancel": cancels})


@pytest.fixture
def folder(site: Call, here: Path) -> Path:
    """The folder of a run that was sent, and has not begun."""
    assert site(f"submit --slurm flow.py {SITE} --run-id r").returncode == 0
    return here / "state/d4py/runs/r"


def stopped(here: Path, folder: Path) -> None:
    """Let the first job of the run have stopped, and the second wait."""
    assert job(here, "r").returncode == 0
    done = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**done, "status": "stopped", "exit_code": 5}))
    for path in (folder / "commits").iterdir():
        path.unlink()
    (folder / "job/ids").write_text("8\n")
    (here / "bin/squeue").write_text(f"#!/bin/sh\n{WAITING.format(8)}\n")


def test_suspend_takes_the_job_back_that_waits_and_resume_sends_another(site: Call, here: Path, folder: Path) -> None:
    stopped(here, folder)

    suspended = site("suspend r")
    again = site("resume r")
    ended = job(here, "r", 9)

    assert (suspended.returncode, suspended.stdout) == (0, "r: stopped. Continue: d4py resume r\n"), suspended.stderr
    assert "scancel --state=PENDING 8\n" in (here / "called").read_text()
    assert (again.returncode, ended.returncode) == (0, 0), again.stderr + ended.stderr
    assert values(site, "r") == ["word"]


def test_a_run_that_is_suspended_before_it_began_is_cancelled(site: Call, here: Path, folder: Path) -> None:
    suspended = site("suspend r")

    assert (suspended.returncode, suspended.stdout) == (0, "r: cancelled. Continue: d4py resume r\n"), suspended.stderr
    assert "scancel --state=PENDING 7\n" in (here / "called").read_text()


def test_a_run_that_was_suspended_while_its_job_waited_goes_on_where_it_is_continued_by_hand(
    site: Call, here: Path, folder: Path
) -> None:
    stopped(here, folder)
    assert site("suspend r").returncode == 0

    told = site("resume r --here -q")

    assert told.returncode == 0, told.stderr
    assert values(site, "r") == ["word"]


def test_suspend_of_a_sweep_takes_back_those_that_wait(site: Call, here: Path) -> None:
    (here / "flow.py").write_text(FLOW.replace("words()", "words(n: int = 1)", 1))
    assert site(f"submit --slurm flow.py {SITE} --sweep n=1,2,3 --run-id s").returncode == 0
    tasks = "7_1|PENDING|Priority\n7_2|PENDING|Priority"
    (here / "bin/squeue").write_text(f"#!/bin/sh\ntest -e cancelled || printf '{tasks}\\n'\n")
    assert job(here, "s", 7, SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="0").returncode == 0

    suspended = site("suspend s")

    assert (suspended.returncode, suspended.stderr) == (0, ""), suspended.stderr
    assert "scancel --state=PENDING 7_1 7_2\n" in (here / "called").read_text()
    states = [json.loads(site(f"status s/{number} -o json").stdout)["status"] for number in range(3)]
    assert states == ["done", "cancelled", "cancelled"]


def test_a_job_that_begins_meanwhile_obeys(site: Call, here: Path, folder: Path) -> None:
    """It was no more to be taken back; and status blames no time for that."""
    stopped(here, folder)
    (folder / "request-suspend-00").touch()

    ended = job(here, "r", 8)
    (here / "cancelled").touch()
    told = site("status r").stdout

    assert ended.returncode == 5, ended.stderr
    assert "stopped (exit code 5; stopped after a checkpoint)\n" in told


def test_a_job_that_is_sent_while_its_run_is_suspended_is_taken_back(site: Call, here: Path, folder: Path) -> None:
    """The job before was being cut when it was asked."""
    stopped(here, folder)
    now = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**now, "status": "running", "exit_code": None, "host": "n1"}))

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(site, "suspend r --timeout 60")
        eventually(lambda: list(folder.glob("request-suspend-*")), "the request")
        (folder / "state.new").write_text(json.dumps(now))
        (folder / "state.new").replace(folder / "state.json")
        suspended = asking.result()

    assert (suspended.returncode, suspended.stdout) == (0, "r: stopped. Continue: d4py resume r\n"), suspended.stderr
    assert "scancel --state=PENDING 8\n" in (here / "called").read_text()


def test_what_was_asked_of_an_earlier_job_is_not_asked_of_the_next(site: Call, here: Path, folder: Path) -> None:
    stopped(here, folder)
    (folder / "request-suspend-00").touch()
    os.utime(folder / "request-suspend-00", (1, 1))

    assert job(here, "r", 8).returncode == 0


def test_snapshot_of_a_run_whose_job_waits_is_refused(site: Call, here: Path, folder: Path) -> None:
    stopped(here, folder)

    told = site("snapshot r")

    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1)
    assert "The run 'r' waits for its job, and does nothing that could be kept." in told.stderr
    assert not list(folder.glob("request-*"))


def test_a_job_that_is_sent_only_after_its_run_was_suspended_is_taken_back(
    site: Call, here: Path, folder: Path
) -> None:
    """The job before has stopped the run, and is there until it has sent the next."""
    stopped(here, folder)
    now = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**now, "status": "running", "exit_code": None, "host": "n1"}))
    (folder / "job/ids").unlink()
    squeue = here / "bin/squeue"
    waits = WAITING.format(8)
    squeue.write_text(
        f'#!/bin/sh\necho asked >>"{here}/queue"\nif [ -e sent ]; then {waits}; else echo "7|RUNNING|None"; fi\n'
    )

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(site, "suspend r --timeout 30")
        eventually(lambda: list(folder.glob("request-suspend-*")), "the request")
        (folder / "state.new").write_text(json.dumps(now))
        (here / "queue").unlink(missing_ok=True)
        (folder / "state.new").replace(folder / "state.json")
        eventually(lambda: (here / "queue").exists() and (here / "queue").read_text().count("asked") > 2, "looks")
        (folder / "job/ids").write_text("8\n")
        (here / "sent").touch()
        suspended = asking.result()

    assert (suspended.returncode, suspended.stdout) == (0, "r: stopped. Continue: d4py resume r\n"), suspended.stderr
    assert "scancel --state=PENDING 8\n" in (here / "called").read_text()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_check_of_a_profile_that_is_ended_leaves_no_job(
    sent: signal.Signals, code: int, site: Call, here: Path
) -> None:
    environment = {**os.environ, "PATH": f"{here / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE_ROOT)}
    # Where it is ended before it has noted the job's number, it asks for the jobs of its folder.
    (here / "bin/squeue").write_text(
        '#!/bin/sh\ncase "$*" in *%Z*) echo "7|$PWD/$(ls -d .d4py-check-*)" ;; *) echo "7|PENDING|Priority" ;; esac\n'
    )
    words = [sys.executable, "-m", "d4py.cli.main", "profile", "check", "generic"]
    with subprocess.Popen(words, cwd=here, env=environment, stderr=subprocess.DEVNULL) as check:
        children = Path(f"/proc/{check.pid}/task/{check.pid}/children")
        called = here / "called"
        eventually(
            lambda: called.exists() and "d4py-check" in called.read_text() and not children.read_text(), "the job"
        )
        check.send_signal(sent)

    assert (check.returncode, "scancel 7\n" in (here / "called").read_text()) == (code, True)
    assert not list(here.glob(".d4py-check-*"))
