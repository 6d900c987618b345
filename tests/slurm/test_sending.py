# SPDX-License-Identifier: Apache-2.0
"""A run is sent once: to a Slurm that does not answer not at all, and beside a run of the same name all the same."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.slurm import conftest
from tests.slurm.cluster import Cluster
from tests.slurm.played import Call, played

from d4py.runs.submission import Submission

submit = importlib.import_module("d4py.targets.slurm.submit")  # not the function of that name

SITE = "--profile debian-test --time 10"
PLAYED = {
    "sbatch": 'case "$*" in *--test-only*) ;; *) echo $((6 + $(grep -c "^sbatch --parsable" called)));; esac',
    "squeue": """[ ! -e silent ] || { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
        case "$*" in *--jobs=*|*--name=*) cat queue 2>/dev/null || true;; esac""",
    "scontrol": "exit 1",
}


@pytest.fixture
def site(tmp_path: Path) -> Call:
    """Call d4py beside Slurm's programs as they are played: squeue tells of jobs what is in the file `queue`."""
    return played(tmp_path, PLAYED)


def sent(here: Path) -> int:
    """Return how many jobs were sent."""
    return (here / "called").read_text().count("sbatch --parsable")


@pytest.mark.parametrize("sweep", ["", " --sweep n=1,2"])
def test_where_slurm_does_not_answer_no_second_job_is_sent_beside_one_that_waits(
    sweep: str, site: Call, tmp_path: Path
) -> None:
    """The run has stopped, and its script sent a job that continues it."""
    assert site(f"submit --slurm wf.py {SITE} --run-id a{sweep}").returncode == 0
    folder = tmp_path / "state/d4py/runs/a"
    stopped = {"run": "a", "status": "stopped", "exit_code": 5, "generation": 1, "error": "stopped after a checkpoint"}
    for run in [folder / "0", folder / "1"] if sweep else [folder]:
        (run / "job").mkdir(exist_ok=True)
        (run / "job/ids").write_text("8\n")
        (run / "run.json").write_text("{}")
        (run / "state.json").write_text(json.dumps(stopped))
    (tmp_path / "queue").write_text("8|PENDING|Dependency\n8_0|PENDING|Dependency\n8_1|PENDING|Dependency\n")
    (tmp_path / "silent").touch()

    told = site("resume a")
    of_a_member = site("resume a/1") if sweep else told
    (tmp_path / "silent").unlink()
    heard = site("resume a")

    for one in (told, of_a_member):
        assert (one.returncode, len(one.stderr.splitlines())) == (2, 1), one.stderr
        assert "squeue refuses: slurm_load_jobs error: Unable to contact slurm controller. Try again when" in one.stderr
    assert ("nothing to continue" if sweep else "is queued") in heard.stderr
    assert sent(tmp_path) == 1


@pytest.mark.parametrize("task", ["", "_1", "_[0-3%2]"])
def test_a_job_is_another_runs_where_it_only_has_the_same_name(task: str, site: Call, tmp_path: Path) -> None:
    """Whoever sent the first died before that was noted; the second has the same --run-id and another folder."""
    (tmp_path / "a|b").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "a|b")
    (tmp_path / "queue").write_text(f"5{task}|{tmp_path}/a|b/r/job\n")

    other = site(f"submit --slurm wf.py {SITE} --run-id r --run-dir other")
    own = site(f"submit --slurm wf.py {SITE} --run-id r --run-dir linked/r")

    assert (other.returncode, own.returncode) == (0, 0), other.stderr + own.stderr
    jobs = [json.loads((tmp_path / one / "submission.json").read_text())["jobs"] for one in ("other", "a|b/r")]
    assert jobs == [["7"], ["5"]]
    assert sent(tmp_path) == 1


def test_what_a_job_is_made_of_is_written_only_by_who_is_alone_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a second submission would change the script that the first is about to send."""
    seen = []

    @contextmanager
    def alone(room: Path) -> Iterator[None]:
        seen.append([path.name for path in room.iterdir()])
        Submission(run="r", target="slurm", workflow="wf", mapping="mpi", created="", jobs=["7"]).write(room.parent)
        yield

    monkeypatch.setattr(submit, "_alone", alone)
    profile = {"profile": "generic", "options": {}, "mapping": "mpi", "processes": 1}
    script = submit.script_of("r", tmp_path / "r", ["--", "wf"], **profile)

    submit.submit(script, workflow="wf", mapping="mpi", warn=print)

    assert seen == [[]]
    assert not list((tmp_path / "r/job").iterdir())


def test_a_job_that_was_sent_and_not_noted_is_found_by_its_name_and_folder(
    call: conftest.Call, here: Path, cluster: Cluster
) -> None:
    (here / "real").mkdir()
    (here / "linked").symlink_to(here / "real")
    words = "submit --slurm wf.py --profile debian-test --partition short --run-id twin --run-dir"
    cluster.call("scontrol", "update", "partition=short", "state=down")
    try:
        assert call(f"{words} linked/one").code == 0
        noted = here / "real/one/submission.json"
        first = json.loads(noted.read_text())["jobs"]
        noted.unlink()

        again, other = call(f"{words} real/one"), call(f"{words} other")

        assert (again.code, other.code) == (0, 0), again.err + other.err
        assert json.loads(noted.read_text())["jobs"] == first
        second = json.loads((here / "other/submission.json").read_text())["jobs"]
        assert second != first
        assert call(f"cancel {here}/other --timeout 60").code == 0
        assert cluster.call("squeue", "--noheader", "--name=d4py-twin", "--format=%i").split() == first
    finally:
        cluster.call("scancel", "--name=d4py-twin")
        cluster.call("scontrol", "update", "partition=short", "state=up")


def test_a_job_whose_nodes_are_drained_is_sent_with_a_warning_and_one_that_no_node_fits_is_refused(
    call: conftest.Call, here: Path, cluster: Cluster
) -> None:
    words = "submit --slurm wf.py --profile debian-test --time 10"
    cluster.call("scontrol", "update", "NodeName=n[1-4]", "State=drain", "Reason=maintenance")
    try:
        held = call(f"{words} --ntasks-per-node 2 --nodes 2 --run-id held")
        never = [call(f"{words} --nodes 5"), call(f"{words} --mem 9G"), call(f"{words} --ntasks-per-node 40")]
        told = call("status held").out
    finally:
        cluster.call("scontrol", "update", "NodeName=n[1-4]", "State=resume")

    assert (held.code, held.out) == (0, "slurm://held\n"), held.err
    assert held.err == "d4py: nodes that this job needs are down or drained: it waits until they are back.\n"
    assert "queued" in told
    assert [(one.code, one.out) for one in never] == [(2, "")] * 3
    assert call("wait held").code == 0
