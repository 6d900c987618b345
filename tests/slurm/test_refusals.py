# SPDX-License-Identifier: Apache-2.0
"""What is asked of a site, and what is said where it refuses. Slurm is played: these are words of real sites, some of which have plugins of their own."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.slurm.played import Call, played

PLAYED = {"squeue": "exit 0", "scontrol": "exit 1", "sinfo": "exit 1"}
ACCOUNT = "Invalid account or account/partition combination specified"
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


def refusing(here: Path, *lines: str) -> Call:
    """Call d4py where sbatch says this."""
    said = " ".join(shlex.quote(line) for line in lines)
    return played(here, {**PLAYED, "sbatch": f"printf '%s\\n' {said} >&2; exit 1"})


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            [f"allocation failure: {ACCOUNT}"],
            f"sbatch refuses: {ACCOUNT}. sacctmgr show associations lists yours: give --account and --partition that go together.",
        ),
        (
            ["sbatch: error: AssocMaxSubmitJobLimit", f"sbatch: error: Batch job submission failed: {POLICY}"],
            f"sbatch refuses: AssocMaxSubmitJobLimit; {POLICY}. squeue --me lists your jobs, sacctmgr show qos what is allowed: ask for less, or wait until some have ended.",
        ),
        (
            [
                "sbatch: error: Project pn12ab has no budget left in this account",
                "sbatch: error: Batch job submission failed: Unspecified error",
            ],
            "sbatch refuses: Project pn12ab has no budget left in this account; Unspecified error. Mend what the site says, or ask its support.",
        ),
        (
            ["sbatch: unrecognized option '--gress'", 'Try "sbatch --help" for more information'],
            "sbatch refuses: unrecognized option '--gress'. sbatch --help lists its flags.",
        ),
        (
            ["sbatch: error: Batch job submission failed: Invalid feature specification"],
            "sbatch refuses: Invalid feature specification. sinfo -o '%P %f' lists the features of nodes; give others with --constraint.",
        ),
        (
            ["sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"],
            "sbatch refuses: Socket timed out on send/recv operation. Try again when the cluster is well.",
        ),
        ([], "sbatch refuses: exit code 1. d4py submit --dry-run shows what it was asked."),
    ],
)
def test_a_refusal_of_the_site_is_told_whole_with_the_remedy_for_it(
    lines: list[str], says: str, tmp_path: Path
) -> None:
    told = refusing(tmp_path, *lines)("submit --slurm wf.py --account pn12ab --time 10")

    assert (told.returncode, told.stderr) == (2, f"d4py: error: {says}\n")


# Profiles: what they say of a site counts.


@pytest.mark.parametrize(
    ("profile", "words", "says"),
    [
        ('containers = "none"', "--env image", "no container runtime. Take --env wheelhouse, or host."),
        ('containers = "podman"', "", "has containers = 'podman'. It is one of 'charliecloud', 'none'."),
        (
            'internet = false\nstaging = ""',
            "-f http://x/y",
            "http://x/y would be fetched where it runs, and the nodes of",
        ),
    ],
)
def test_what_a_profile_says_of_a_site_is_heeded(
    profile: str, words: str, says: str, site: Call, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(f"{profile}\n")

    told = site(f"submit --slurm wf.py --profile ./mine.toml {words}")

    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1), told.stderr
    assert says in told.stderr


def test_an_address_that_nothing_fetches_is_doubted_where_nodes_reach_no_network(site: Call, tmp_path: Path) -> None:
    for name, internet in (("off", "false"), ("on", "true")):
        (tmp_path / f"{name}.toml").write_text(f"internet = {internet}\n")
    words = "submit --slurm wf.py --set gate=https://example.org/x --profile"

    off, on = site(f"{words} ./off.toml"), site(f"{words} ./on.toml")

    assert (off.returncode, on.returncode, on.stderr) == (0, 0, "")
    assert off.stderr == (
        "d4py: the parameter 'gate' is no path, so that what it names is not fetched; the nodes of the profile 'off' reach no network.\n"
    )


@pytest.mark.parametrize(("accounting", "asked"), [("true", True), ("false", False)])
def test_sacct_is_asked_where_the_site_lets_it_be(accounting: str, asked: bool, tmp_path: Path) -> None:
    programs = {**PLAYED, "sacct": "exit 0", "sbatch": 'case "$*" in *--test-only*) ;; *) echo 7;; esac'}
    site = played(tmp_path, programs)
    (tmp_path / "mine.toml").write_text(f"accounting = {accounting}\n")
    sweep = site("submit --slurm wf.py --profile ./mine.toml --mapping simple --sweep n=1,2 --run-id s")
    one = site("submit --slurm wf.py --profile ./mine.toml --run-id r")
    assert (one.returncode, sweep.returncode) == (0, 0), one.stderr + sweep.stderr

    for run in ("r", "s", "s/1"):
        assert site(f"status {run}").returncode == 0

    assert ("sacct " in called(tmp_path)) is asked


@pytest.fixture
def site(tmp_path: Path) -> Call:
    """Call d4py where sbatch takes everything."""
    return played(tmp_path, {**PLAYED, "sbatch": 'case "$*" in *--test-only*) ;; *) echo 7;; esac'})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "--time 2",
            "--time 2 is too short: the job is told of its end 120 s before it, and Slurm tells it up to 60 s early. Give at least 3 minutes",
        ),
        ("--time 2:59", "--time 2:59 is too short: "),
        ("--time 0-0:2", "--time 0-0:2 is too short: "),
        ("--time 12345678", "--time is '12345678'. Write it as minutes"),
        ("--constraint a;b", "--constraint is 'a;b'. Letters, digits and _.,@+:/%-&|*[]() are allowed."),
        ("--sbatch=--job-name=x", "--sbatch=--job-name=x would break what d4py itself sets. Leave it away."),
        ("--sbatch=--dep=singleton", "--sbatch=--dep=singleton would break what d4py itself sets."),
        ("--sbatch=--array=1-3", "--sbatch=--array=1-3 would break what d4py itself sets. Give --sweep."),
        ("--sbatch=--time=5", "--sbatch=--time=5 would break what d4py itself sets. Give --time."),
        ("--sbatch=--nta=5", "--sbatch=--nta=5 would break what d4py itself sets. Give --nodes and --ntasks-per-node."),
        ("--sbatch=-G1", "--sbatch takes '-G1' not. Write a flag of sbatch in its long form: --sbatch=--gres=gpu:1."),
        ("--sbatch=x.sh", "--sbatch takes 'x.sh' not."),
        ("--profile ./no.toml --sbatch=--mail-user=me", "forbids --mail-user=me. Leave it away."),
    ],
)
def test_what_slurm_would_not_do_as_it_is_asked_is_one_line_with_the_remedy(
    words: str, says: str, site: Call, tmp_path: Path
) -> None:
    (tmp_path / "no.toml").write_text('forbidden = ["--mail-user"]\n')

    told = site(f"submit --slurm wf.py {words}")

    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1), told.stderr
    assert says in told.stderr
    assert "--parsable" not in called(tmp_path)


def called(here: Path) -> str:
    """Return what Slurm's programs were called with."""
    path = here / "called"
    return path.read_text() if path.exists() else ""


def test_ordinary_options_of_jobs_reach_sbatch_also_those_that_d4py_does_not_know(site: Call, tmp_path: Path) -> None:
    words = ["--time", "10080", "--constraint", "scratch&work", "--sbatch=--gres=gpu:1", "--sbatch", "mail-user=a b"]

    sent = site(["submit", "--slurm", "wf.py", *words, "--sbatch=--exclusive", "--run-id", "r"])

    assert sent.returncode == 0, sent.stderr
    (line,) = [line for line in called(tmp_path).splitlines() if "--parsable" in line]
    assert " --time=10080 --constraint=scratch&work --gres=gpu:1 --mail-user=a b --exclusive " in line
    script = (tmp_path / "state/d4py/runs/r/job/script").read_text()
    assert script.count("--gres=gpu:1 '--mail-user=a b' --exclusive") == 2


def test_options_of_jobs_need_a_cluster(site: Call) -> None:
    assert "--sbatch means nothing here. Add --slurm." in site("submit wf.py --sbatch=--exclusive").stderr


def test_the_next_job_too_is_given_more_time_than_it_takes_to_tell_it(site: Call, tmp_path: Path) -> None:
    assert site("submit --slurm wf.py --time 10 --run-id r").returncode == 0
    folder = tmp_path / "state/d4py/runs/r"
    (folder / "run.json").write_text("{}")
    (folder / "state.json").write_text('{"run": "r", "status": "stopped", "exit_code": 5, "generation": 1}')

    told = site("resume r --time 2")

    assert (told.returncode, "--time 2 is too short: " in told.stderr) == (2, True), told.stderr
    assert site("resume r --time 3").returncode == 0
