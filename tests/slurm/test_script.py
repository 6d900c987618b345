# SPDX-License-Identifier: Apache-2.0
"""What the script of a job does when its time is nearly over. bash runs it as slurmd would; what it says to Slurm is written down."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from d4py.targets.slurm.submit import script_of

# It tells its parent, the script, what Slurm would, and ends as a run that was told so.
LAUNCHER = """\
trap 'exit 5' USR1
echo began
printf '{\\n "status": "STATUS",\\n "further": true\\n}\\n' >"$STATE"
kill -USR1 $PPID
while :; do sleep 0.02; done
"""
# What it is told comes to nothing: an item takes longer than there is time for.
STUCK = """\
trap '' USR1
room=$(dirname "$STATE")
mkdir -p "$room/commits" && touch "$room/commits/COMMIT"
printf '{\\n "status": "running"\\n}\\n' >"$STATE"
kill -USR1 $PPID
for _ in $(seq 50); do sleep 0.05; [ ! -e SAID ] || break; done
"""


class Job(NamedTuple):
    """How a job ended, what it printed, and what it said to Slurm."""

    code: int
    out: str
    err: str
    said: list[str]
    exit_file: str


def job(
    tmp_path: Path,
    *,
    status: str = "stopped",
    again: str = "requeue",
    sweep: bool = False,
    prologue: tuple[str, ...] = (),
    launcher: str = LAUNCHER,
    site: dict[str, object] | None = None,
    slurm: str = "",
    edited: tuple[str, str] = ("", ""),
) -> Job:
    """Run the script of a job of which the run ends in this state after it was told of its time.

    slurm: what Slurm's programs do, in sh. edited: what the script has, and what is there instead.
    """
    folder, programs = tmp_path / "a run", tmp_path / "bin"
    room = folder / "7" if sweep else folder
    (room / "job").mkdir(parents=True, exist_ok=True)
    (folder / "job").mkdir(exist_ok=True)
    programs.mkdir()
    for name in ("scontrol", "sbatch", "scancel", "squeue", "srun"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/said\n{slurm}')
        (programs / name).chmod(0o755)
    (tmp_path / "launcher").write_text(launcher.replace("STATUS", status).replace("SAID", str(tmp_path / "said")))
    about = {"launcher": ["bash", str(tmp_path / "launcher")], "again": again, "prologue": prologue, **(site or {})}
    (tmp_path / "site.toml").write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in about.items()))
    profile = str(tmp_path / "site.toml")
    script = script_of(
        "r", folder, ["--", "wf"], profile=profile, options={}, mapping="mpi", processes=None, sweep=sweep
    )
    (tmp_path / "script").write_text(script.text.replace(*edited) if edited[0] else script.text)
    told = {"SLURM_JOB_ID": "11", "SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "7"}
    ran = subprocess.run(
        ["bash", "script"],
        cwd=tmp_path,
        env={**os.environ, **told, "PATH": f"{programs}:{os.environ['PATH']}", "STATE": str(room / "state.json")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = tmp_path / "said"
    left = room / "job/exit.11"
    return Job(
        ran.returncode,
        ran.stdout,
        ran.stderr,
        said.read_text().splitlines() if said.exists() else [],
        left.read_text().strip() if left.exists() else "",
    )


TOLD = ("kill -USR1 $$", "echo loaded")
EARLY = "d4py: error: The time of the job was over before the run began, or went on, and no job follows."


@pytest.mark.parametrize("before", ["", '{\n "status": "stopped",\n "further": true\n}\n'])
def test_a_job_whose_time_is_over_before_its_run_begins_starts_nothing_and_is_followed_by_none(
    before: str, tmp_path: Path
) -> None:
    (tmp_path / "a run/job").mkdir(parents=True)
    if before:
        (tmp_path / "a run/run.json").touch()
        (tmp_path / "a run/state.json").write_text(before)

    ended = job(tmp_path, prologue=TOLD)

    assert (ended.code, ended.out, ended.said, ended.exit_file) == (5, "loaded\n", [], "5"), ended.err
    assert ended.err == f"{EARLY} d4py resume --time gives it more.\n"


def test_a_job_that_is_told_of_its_time_just_when_its_run_is_started_passes_it_on_once(tmp_path: Path) -> None:
    """The shell has started the run, and does not know its number yet."""
    (tmp_path / "a run/job").mkdir(parents=True)
    just_then = """trap 'if [[ $BASH_COMMAND == "d4py_child=\\$!" ]]; then sleep 0.5; kill -USR1 $$; fi' DEBUG"""
    launcher = 'trap \'echo told; n=1\' USR1\nfor _ in $(seq 100); do sleep 0.02; [ -z "$n" ] || s=$((s + 1)); [ "$s" != 20 ] || exit 5; done'

    ended = job(tmp_path, prologue=(just_then,), launcher=launcher)

    assert (ended.code, ended.out, ended.exit_file) == (5, "told\n", "5"), ended.err
    assert "unbound" not in ended.err


@pytest.mark.parametrize("again", ["requeue", "dependent"])
def test_a_run_that_was_cancelled_while_its_job_was_cut_is_followed_by_no_job(again: str, tmp_path: Path) -> None:
    """It ends with the exit code of one that stopped, too."""
    ended = job(tmp_path, status="cancelled", again=again)

    assert (ended.code, ended.said, ended.exit_file) == (5, [], "5"), ended.err


def test_a_run_that_stopped_for_its_time_goes_on(tmp_path: Path) -> None:
    ended = job(tmp_path)

    assert (ended.code, ended.said, ended.exit_file) == (5, ["scontrol requeue 11"], ""), ended.err


def test_a_run_that_stopped_for_its_time_goes_on_whatever_its_launcher_makes_of_that(tmp_path: Path) -> None:
    """Intel MPI's on several nodes exits with 255 now and then, where all ranks exit with 5."""
    ended = job(tmp_path, launcher=LAUNCHER.replace("exit 5", "exit 255"))

    assert (ended.code, ended.said, ended.exit_file) == (5, ["scontrol requeue 11"], ""), ended.err


def stood(tmp_path: Path, status: str) -> None:
    """Let the run be as a job before has left it."""
    (tmp_path / "a run/job").mkdir(parents=True)
    (tmp_path / "a run/commits").mkdir()
    (tmp_path / "a run/commits/old").touch()
    (tmp_path / "a run/run.json").touch()
    (tmp_path / "a run/state.json").write_text(f'{{\n "status": "{status}",\n "further": true\n}}\n')


@pytest.mark.parametrize("dies", ["", "trap 'exit 255' USR1", "trap 'exit 5' USR1"])
def test_a_job_whose_ranks_still_load_when_they_are_told_of_its_time_says_so_and_is_followed_by_none(
    dies: str, tmp_path: Path
) -> None:
    """That the run stopped is what the job before has left."""
    stood(tmp_path, "stopped")

    ended = job(tmp_path, launcher=f"{dies}\nkill -USR1 $PPID\nwhile :; do sleep 0.02; done\n")

    assert (ended.code, ended.said, ended.exit_file) == (5, [], "5"), ended.err
    assert ended.err.splitlines()[-1] == f"{EARLY} d4py resume --time gives it more."


@pytest.mark.parametrize("says", ["trap 'exit 2' USR1; kill -USR1 $PPID", "exit 255 #"])
def test_a_job_whose_launcher_fails_before_its_run_goes_on_ends_as_that_and_is_followed_by_none(
    says: str, tmp_path: Path
) -> None:
    stood(tmp_path, "stopped")

    ended = job(tmp_path, launcher=f"{says}\nwhile :; do sleep 0.02; done\n")

    assert (ended.code, ended.said, ended.err) == (int(ended.exit_file), [], ""), ended.err


@pytest.mark.parametrize(("before", "again", "says"), [("", "dependent", "sbatch"), ("stopped", "requeue", "scontrol")])
def test_a_job_whose_checkpoint_is_not_done_in_time_is_followed_by_one_that_goes_on_from_an_earlier(
    before: str, again: str, says: str, tmp_path: Path
) -> None:
    if before:
        stood(tmp_path, before)

    ended = job(tmp_path, again=again, launcher=f"{STUCK}kill -9 $$\n", site={"margin": 1}, slurm="echo '12;cm2'")

    assert (ended.code, [line.split()[0] for line in ended.said], ended.exit_file) == (137, [says], ""), ended.err
    ids = tmp_path / "a run/job/ids"
    assert (ids.read_text() if ids.exists() else "") == ("12;cm2\n" if again == "dependent" else "")


@pytest.mark.parametrize(("before", "commit"), [("stopped", "old"), ("running", "new")])
def test_a_job_whose_checkpoint_is_not_done_in_time_is_followed_by_none_where_that_might_be_for_ever(
    before: str, commit: str, tmp_path: Path
) -> None:
    """It made none at all, or the job before it ended so, too."""
    stood(tmp_path, before)

    ended = job(
        tmp_path,
        again="dependent",
        launcher=f"{STUCK.replace('COMMIT', commit)}kill -9 $$\n",
        site={"margin": 1},
    )

    assert (ended.code, ended.said, ended.exit_file) == (137, [], "137"), ended.err


@pytest.mark.parametrize(
    ("status", "further", "said"),
    [
        ("stopped", "true", ["sbatch"]),
        ("stopped", "false", ["sbatch", "scancel"]),
        ("done", "true", ["sbatch", "scancel"]),
    ],
)
def test_the_next_job_is_sent_once_and_cancelled_where_nothing_is_to_follow_after_all(
    status: str, further: str, said: list[str], tmp_path: Path
) -> None:
    over = f"""printf '{{\\n "status": "{status}",\\n "further": {further}\\n}}\\n' >"$STATE"; exit 5\n"""

    ended = job(tmp_path, again="dependent", launcher=STUCK + over, site={"margin": 1}, slurm="echo '12;cm2'")

    assert [line.split()[0] for line in ended.said] == said, ended.err
    assert ended.said[1:] in ([], ["scancel 12 --clusters=cm2"])
    assert (ended.code, ended.exit_file) == (5, "5" if said[1:] else "")


@pytest.mark.parametrize("refuses", ["", "exit 1"])
def test_what_was_made_on_the_disk_of_a_node_is_removed_before_the_job_is_requeued(
    refuses: str, tmp_path: Path
) -> None:
    """Then srun starts nothing any more."""
    venv = tmp_path / "a disk/d4py-r"
    (tmp_path / "a run/job").mkdir(parents=True)
    (tmp_path / "a run/job/environment").write_text(f"mkdir -p '{venv}/lib' && touch '{venv}/ready'\n")
    srun = """case $0 in *srun) shift 4; case $1$2 in bash-c) REFUSES ;; esac; "$@" ;; *) ls DISK >>SAID ;; esac\n"""
    srun = (
        srun.replace("REFUSES", refuses or ":").replace("DISK", f"'{venv.parent}'").replace("SAID", f"{tmp_path}/said")
    )

    ended = job(tmp_path, site={"environment": "wheelhouse", "local": str(venv.parent)}, slurm=srun)

    assert [line.split()[0] for line in ended.said] == ["srun", "srun", "scontrol"], ended.err
    assert (ended.code, list(venv.parent.iterdir())) == (5, []), ended.err


def test_a_member_of_a_sweep_goes_on_alone_though_its_job_has_the_number_of_the_whole_array(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stays = job(tmp_path, sweep=True)
    follows = job(tmp_path / "other", sweep=True, again="dependent")

    assert stays.said == ["scontrol requeue 11_7"], stays.err
    assert follows.said[0].startswith("sbatch --parsable --dependency=afterany:11_7 --array=7 "), follows.err


REFUSES = """case $0 in *squeue) echo 'afterany:11(unfulfilled) 12'; exit;; esac
echo 'sbatch: error: Ask the help desk.' >&2
echo 'sbatch: error: Batch job submission failed: Job violates accounting/QOS policy' >&2
[ "$(grep -c '^sbatch' {said})" -ge {times} ] || exit 1
echo 'Your project has 3 hours left.'
echo '12;cm2'
"""


def refusing(tmp_path: Path, times: int, *, silent: bool = True) -> str:
    """Return a Slurm whose sbatch refuses so many times; squeue says nothing, or that a job was sent all the same."""
    text = REFUSES.replace("{said}", str(tmp_path / "said")).replace("{times}", str(times + 1))
    return text.replace("echo 'afterany:11(unfulfilled) 12'; ", "") if silent else text


def test_a_next_job_that_is_refused_is_sent_again_and_only_its_id_is_noted(tmp_path: Path) -> None:
    ended = job(tmp_path, again="dependent", slurm=refusing(tmp_path, 1), site={"margin": 30})

    assert [line.split()[0] for line in ended.said] == ["sbatch", "squeue", "squeue", "sbatch"], ended.err
    assert (tmp_path / "a run/job/ids").read_text() == "12;cm2\n"
    assert (ended.code, ended.exit_file) == (5, "")


def test_a_next_job_that_was_sent_though_sbatch_failed_is_found(tmp_path: Path) -> None:
    ended = job(tmp_path, again="dependent", slurm=refusing(tmp_path, 9, silent=False), site={"margin": 30})

    assert [line.split()[0] for line in ended.said] == ["sbatch", "squeue"], ended.err
    assert (tmp_path / "a run/job/ids").read_text() == "12\n"
    assert (ended.code, ended.exit_file) == (5, "")


@pytest.mark.parametrize("again", ["requeue", "dependent"])
def test_a_next_job_that_is_refused_until_the_end_is_missed_in_the_log(again: str, tmp_path: Path) -> None:
    ended = job(tmp_path, again=again, slurm=refusing(tmp_path, 9).replace("^sbatch", "^none"), site={"margin": 16})

    assert (ended.code, ended.exit_file) == (5, "5"), ended.err
    assert "Ask the help desk." in ended.err
    assert ended.err.splitlines()[-1] == (
        "d4py: error: The next job could not be sent: sbatch: error: Batch job submission failed: "
        "Job violates accounting/QOS policy. d4py resume r sends it."
    )
    assert not (tmp_path / "a run/job/ids").exists()


def test_a_job_that_cannot_enter_its_folder_says_so(tmp_path: Path) -> None:
    ended = job(tmp_path, edited=(f"\ncd {Path.cwd()} ", "\ncd /absent "))

    assert (ended.code, ended.out, ended.exit_file) == (2, "", "2"), ended.err
    assert f"d4py: error: {Path.cwd()} is not there on " in ended.err


def test_a_job_that_cannot_make_its_environment_says_so(tmp_path: Path) -> None:
    ended = job(tmp_path, site={"environment": "wheelhouse"})

    assert (ended.code, ended.out, ended.exit_file) == (2, "", "2"), ended.err


def test_what_is_special_to_sbatch_in_the_name_of_a_folder_is_not_replaced(tmp_path: Path) -> None:
    script = script_of("r", tmp_path / "100%u", ["--", "wf"], profile="generic", options={}, mapping="mpi", processes=1)

    assert f"--output={tmp_path}/100%%u/logs/job-%j.log" in script.flags
    assert f"--chdir={tmp_path}/100%u/job" in script.flags
