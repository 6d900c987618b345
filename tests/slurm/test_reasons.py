# SPDX-License-Identifier: Apache-2.0
"""What is said of a run that did not come to what was hoped: why, and never that it is over where nobody knows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call, eventually
from tests.slurm.test_runs import outputs, state

SITE = "--profile debian-test --ntasks-per-node 2 --time 10"


def test_that_slurm_cannot_be_asked_is_not_taken_for_the_end_of_a_job(
    call: Call, here: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.call("scontrol", "update", "partition=short", "state=down")
    try:
        assert call("submit --slurm wf.py --profile debian-test --partition short --run-id held").code == 0
        folder = here / "state/d4py/runs/held"
        for path in (folder / "submission.json", folder / "job"):
            os.utime(path, (0, 0))  # as of long ago
        (here / "slurm.conf").write_text(
            cluster.conf.replace(f"SlurmctldPort={cluster.port}", "SlurmctldPort=1\nMessageTimeout=2")
        )

        away = call("status held", SLURM_CONF=str(here / "slurm.conf"))
        without = call("status held -o json", PATH="/nonexistent")

        assert (away.code, without.code) == (0, 0)
        assert re.search(r"^status +queued \(squeue refuses: .*Unable to contact", away.out, re.MULTILINE)
        assert json.loads(without.out)["status"] == "queued"
        assert call("resume held", PATH="/nonexistent").code == 2
        assert state(call, "held")["status"] == "queued"
    finally:
        cluster.call("scontrol", "update", "partition=short", "state=up")
    assert call("wait held").code == 0


def test_a_job_that_ends_before_its_run_begins_says_so_at_once_and_where_to_look(call: Call, here: Path) -> None:
    (here / "wrong.toml").write_text('launcher = ["no-such-launcher"]\n')

    sent = call("submit --slurm wf.py --profile ./wrong.toml --run-id wrong --wait")

    assert sent.code == 5
    assert (
        sent.err
        == "d4py: slurm://wrong: lost, exit code 5. See d4py status slurm://wrong and d4py logs slurm://wrong.\n"
    )
    assert "its job ended with exit code 127 before the run began: d4py logs wrong says why" in call("status wrong").out
    assert re.search(r"^wrong +wf +mpi +lost +5", call("list").out, re.MULTILINE)
    assert "no-such-launcher: command not found" in call("logs wrong").out


def test_a_job_whose_time_is_over_while_its_ranks_load_says_so(call: Call, here: Path, cluster: Cluster) -> None:
    """They die of the signal, and nothing more is heard of them."""
    slow = "import time\nopen('loads', 'w').close()\ntime.sleep(60)\n"
    (here / "slow.py").write_text("import os\nif 'SLURM_JOB_ID' in os.environ:\n    " + slow.replace("\n", "\n    "))
    with (here / "slow.py").open("a") as file:
        file.write("\n" + (here / "wf.py").read_text())
    assert call(f"submit --slurm slow.py {SITE} --run-id early").code == 0
    eventually((here / "loads").exists, "a rank to load")
    (job,) = json.loads((here / "state/d4py/runs/early/submission.json").read_text())["jobs"]

    cluster.call("scancel", "--signal=USR1", "--batch", job)

    assert call("wait early").code == 5
    assert (
        "(exit code 5; The time of the job was over before the run began, or went on, and" in call("status early").out
    )


def test_a_folder_that_the_nodes_do_not_see_is_suspected(call: Call, here: Path) -> None:
    folder = Path("/dev/shm") / f"unseen-{here.name[-8:]}"
    try:
        assert call(f"submit --slurm wf.py {SITE} --run-dir {folder}").code == 0
        assert call(["wait", str(folder)]).code == 5
        assert (
            "do the nodes see its folder? If not, submit it with another --run-dir" in call(["status", str(folder)]).out
        )
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_a_run_that_is_there_is_said_to_be(call: Call) -> None:
    assert call(f"submit --slurm wf.py {SITE} --run-id one --wait").err == ""

    again = call(f"submit --slurm wf.py {SITE} --run-id one")

    assert (again.code, again.out) == (0, "slurm://one\n")
    assert again.err == "d4py: slurm://one was submitted before, and is done: nothing was sent.\n"


def test_ranks_that_are_started_for_a_run_continue_it_themselves(call: Call, here: Path, cluster: Cluster) -> None:
    gate = here / "gate"
    assert call(f"submit --slurm wf.py {SITE} --set gate={gate} --run-id one").code == 0
    eventually(lambda: state(call, "one")["status"] == "running", "the run to begin")
    assert call("suspend one --timeout 60").code == 0
    before = len(json.loads((here / "state/d4py/runs/one/submission.json").read_text())["jobs"])
    gate.touch()

    words = ["mpiexec", "-n", "3", sys.executable, "-m", "d4py.cli.main", "resume", "one"]
    more = {name: str(here / name[4:-5].lower()) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    more["PYTHONPATH"] = os.pathsep.join(sys.path)
    ran = subprocess.run(
        words, cwd=here, env={**cluster.environment, **more}, capture_output=True, text=True, timeout=90, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert len(json.loads((here / "state/d4py/runs/one/submission.json").read_text())["jobs"]) == before
    assert state(call, "one")["status"] == "done"
    assert len(outputs(call, "one")) == 3


def test_a_run_that_several_resume_at_once_gets_one_job(call: Call, here: Path) -> None:
    gate = here / "gate"
    assert call(f"submit --slurm wf.py {SITE} --set gate={gate} --run-id one").code == 0
    eventually(lambda: state(call, "one")["status"] == "running", "the run to begin")
    assert call("suspend one --timeout 60").code == 0

    with ThreadPoolExecutor() as threads:
        codes = sorted(told.code for told in threads.map(call, ["resume one"] * 4))
    jobs = json.loads((here / "state/d4py/runs/one/submission.json").read_text())["jobs"]
    gate.touch()

    assert codes == [0, 2, 2, 2]
    assert len(jobs) == 2
    assert call("wait one").code == 0


def test_what_a_job_prints_has_no_colours(call: Call, here: Path) -> None:
    assert call("submit --slurm wf.py --profile generic --nodes 2 --run-id plain --wait").code == 0

    (log,) = (here / "state/d4py/runs/plain/logs").glob("job-*.log")
    assert "exit code 0" in log.read_text()
    assert "\x1b" not in log.read_text()
