# SPDX-License-Identifier: Apache-2.0
"""A prologue that fails ends the job, and says where; what its lines call and source may fail in itself, as the programs of module systems do."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call, eventually
from tests.slurm.test_runs import done, state

from d4py.targets.slurm.submit import script_of

MODULES = """
grep -q nothing /dev/null
module() {
    false
    echo "Loading $2" >&2
    eval "$(test "$2" != nothing || echo false)"
}
test -e nothing && echo there
true
"""


def ran(tmp_path: Path, lines: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the script of a job whose prologue these lines are; its launcher says that the run began."""
    (tmp_path / "modules").write_text(MODULES)
    (tmp_path / "site.toml").write_text(f'launcher = ["echo", "began"]\nprologue = {json.dumps(lines)}\n')
    folder = tmp_path / "a run"
    (folder / "job").mkdir(parents=True)
    profile = str(tmp_path / "site.toml")
    script = script_of("r", folder, ["--", "wf"], profile=profile, options={}, mapping="mpi", processes=None)
    at_job = {**os.environ, "SLURM_JOB_ID": "1"}
    (tmp_path / "script").write_text(script.text)
    return subprocess.run(
        ["bash", "script"], cwd=tmp_path, env=at_job, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["source ./modules", "module load mpi"],
        ["source ./modules", "if true; then", "  module load mpi", "fi"],
        ["false || true", "! true", "test -e nothing && echo there", "if false; then :; fi"],
        ["set -eu", "trap 'echo bye' EXIT"],
        ["(exit 0)", "late() { false; }"],
    ],
)
def test_what_fails_inside_of_a_line_does_not_end_the_job(lines: list[str], tmp_path: Path) -> None:
    job = ran(tmp_path, lines)

    assert job.stdout.startswith("began "), job.stderr
    assert (job.returncode, (tmp_path / "a run/job/exit.1").read_text()) == (0, "0\n")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["source ./modules", "module load nothing"], "1, at: module load nothing."),
        (["if true; then", "  false", "fi"], "1, at: false."),
        (["no-such-program --x"], "127, at: no-such-program --x."),
        (["source ./absent"], "1, at: source ./absent."),
        (["where=$(false)"], "1, at: where=$(false)."),
        (["set -e", "exit 3"], "3, at: exit 3."),
        (["echo 'unclosed"], "2, at: "),
    ],
)
def test_a_line_that_fails_ends_the_job_and_is_named(lines: list[str], says: str, tmp_path: Path) -> None:
    job = ran(tmp_path, lines)

    told = [line for line in job.stderr.splitlines() if line.startswith("d4py: error: ")]
    assert (job.returncode, job.stdout, (tmp_path / "a run/job/exit.1").read_text()) == (2, "", "2\n")
    assert len(told) == 1, job.stderr
    assert told[0].startswith(f"d4py: error: The prologue of the profile 'site' ended the job with exit code {says}")
    assert told[0].endswith(" Mend it, or write || true behind what may fail.")


def test_a_job_whose_prologue_fails_leaves_a_run_that_says_so_and_can_be_sent_again(call: Call, here: Path) -> None:
    broken = here / "broken"
    (here / "site.toml").write_text(
        f'launcher = ["srun", "--mpi=pmix"]\nprologue = ["source {here}/modules", "module load mpi", "test ! -e {broken}"]\n'
    )
    (here / "modules").write_text(MODULES)
    broken.touch()
    said = f"The prologue of the profile 'site' ended the job with exit code 1, at: test ! -e {broken}. Mend it"

    sent = call(f"submit --slurm wf.py --profile ./site.toml --run-id one --set gate={here / 'gate'} --wait")
    checked = call("profile check ./site.toml --timeout 60")

    assert (sent.code, checked.code) == (2, 2)
    assert f"failed (exit code 2; {said}" in call("status one").out
    assert said in checked.err
    broken.unlink()
    assert call("resume one").code == 0
    eventually(lambda: state(call, "one")["status"] == "running", "the run to begin")
    assert call("suspend one --timeout 60").code == 0
    broken.touch()
    assert call("resume one").code == 0
    eventually(lambda: said in call("status one").out, "the second job to fail")
    pattern = r"^status +stopped \(exit code 5; .*; its job could not go on with it: The prologue"
    assert re.search(pattern, call("status one").out, re.MULTILINE)


def test_a_job_whose_time_is_over_in_its_prologue_leaves_a_run_that_says_so(
    call: Call, here: Path, cluster: Cluster
) -> None:
    gate, begun = here / "gate", here / "begun"
    lines = [f"touch {begun}", f'until test -e {gate} || test -n "$d4py_cut"; do sleep 0.1; done']
    (here / "site.toml").write_text(f'launcher = ["srun", "--mpi=pmix"]\nprologue = {json.dumps(lines)}\n')
    assert call("submit --slurm wf.py --profile ./site.toml --run-id late --time 10").code == 0
    eventually(begun.exists, "the prologue")
    (job,) = json.loads((here / "state/d4py/runs/late/submission.json").read_text())["jobs"]
    said = "The time of the job was over before the run began, or went on, and no job follows"

    cluster.call("scancel", "--signal=USR1", "--batch", job)

    assert call("wait late").code == 5
    assert f"lost (exit code 5; {said}. d4py resume --time gives it more" in call("status late").out
    assert not (here / "state/d4py/runs/late/job/ids").exists()
    gate.touch()
    assert call("resume late --time 20").code == 0
    done(call, "late")
