# SPDX-License-Identifier: Apache-2.0
"""A laptop sends runs to a cluster by ssh, and watches, stops and continues them there: a real sshd beside a real Slurm."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, PATIENCE, SOURCE_ROOT, WORKFLOW, Call, Told, eventually
from tests.slurm.login import Login
from tests.slurm.test_input import NASTY
from tests.slurm.test_runs import outputs, state
from tests.slurm.test_wheelhouse import NEEDS
from tests.slurm.test_wheelhouse import WORKFLOW as NEEDY

from d4py.targets.slurm.host import Host, heard, told

SITE = "--profile debian-test --nodes 2 --ntasks-per-node 2 --time 10 --host login"
D4PY = [sys.executable, "-m", "d4py.cli.main"]


@pytest.fixture
def login(cluster: Cluster) -> Iterator[Login]:
    """A login node that nobody has used yet."""
    with tempfile.TemporaryDirectory(prefix="d4py-login-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        node = Login(Path(folder), cluster, SOURCE_ROOT)
        node.up()
        try:
            yield node
        finally:
            node.down()


@pytest.fixture
def laptop(login: Login, tmp_path: Path) -> Call:
    """Call d4py on a laptop."""
    (tmp_path / "wf.py").write_text(WORKFLOW)
    environment = login.laptop(tmp_path)

    def run(words: str | list[str], **more: str) -> Told:
        ran = subprocess.run(
            [*D4PY, *(words.split() if isinstance(words, str) else words)],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Told(ran.returncode, ran.stdout, ran.stderr)

    return run


def folder_of(login: Login, run: str) -> Path:
    """Return the folder of a run on the cluster."""
    return login.home / ".local/state/d4py/runs" / run.rpartition("/")[2]


def test_a_run_is_sent_to_a_cluster_and_watched_from_the_laptop(laptop: Call, login: Login, tmp_path: Path) -> None:
    sent = laptop(f"submit --slurm wf.py {SITE}")
    run = sent.out.strip()

    assert sent.code == 0, sent.err
    assert re.fullmatch(r"slurm://login/[\w-]+", run)
    assert laptop(["wait", run]).code == 0
    assert outputs(laptop, run) == ANSWER
    assert re.search(r"^job +\d+", laptop(["status", run]).out, re.MULTILINE)
    assert set(re.findall(r"on (n\d)", laptop(["logs", run]).out))
    assert run.rpartition("/")[2] in laptop("list --host login").out
    assert state(laptop, run)["status"] == "done"
    assert len(re.findall("Accepted publickey", login.log)) == 1
    assert not (tmp_path / "state/d4py/runs").exists()
    assert "Welcome" not in sent.out


def test_a_folder_its_data_and_a_profile_of_ones_own_go_with_it(laptop: Call, login: Login, tmp_path: Path) -> None:
    folder = tmp_path / "sums"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("__pycache__/x.pyc", ".git/config"):
        (folder / name).write_text("")
    (folder / "workflow.py").write_text(WORKFLOW.replace("import os,", "from beside import TIMES\nimport os,"))
    (folder / "beside.py").write_text("TIMES = 1\n")
    (tmp_path / "inputs.json").write_text('{"numbers": [{"n": 4}]}')
    profiles = tmp_path / "config/d4py/profiles"
    profiles.mkdir(parents=True)
    (profiles / "mine.toml").write_text('launcher = ["srun", "--mpi=pmix"]\n')

    words = (
        f"submit --slurm sums --host login --profile mine --ntasks-per-node 2 --run-dir {login.root}/r -f inputs.json"
    )
    sent = laptop(f"{words} --follow --output file://{login.root}/out.jsonl")
    run = sent.out.splitlines()[0]

    assert sent.code == 0, sent.err
    assert run == f"slurm://login/{login.root}/r"
    assert outputs(laptop, run) == [("a", 3), ("b", 1), ("c", 2)]
    assert {path.name for path in (login.root / "r/sent/sums").iterdir()} >= {"workflow.py", "beside.py"}
    assert not (login.root / "r/sent/sums/.git").exists()
    assert len((login.root / "out.jsonl").read_text().splitlines()) == 3
    assert re.search(r"^Count@\d \| .* on n\d$", sent.out, re.MULTILINE)


def test_it_is_suspended_resumed_and_cancelled_from_the_laptop(laptop: Call, login: Login, cluster: Cluster) -> None:
    gate = login.root / "gate"
    run = laptop(f"submit --slurm wf.py {SITE} --checkpoint 0.2 --set gate={gate}").out.strip()
    eventually(lambda: state(laptop, run)["status"] == "running", "the run")

    suspended = laptop(["suspend", run, "--timeout", "60"])
    assert (suspended.code, state(laptop, run)["status"]) == (0, "stopped")
    assert suspended.out == f"{run}: stopped. Continue: d4py resume {run}\n"
    job = ("squeue", "--noheader", "--format=%l", f"--name=d4py-{folder_of(login, run).name}")
    eventually(lambda: not cluster.call(*job), "its end")
    assert laptop(["resume", run, "--time", "20"]).out == f"{run}\n"
    eventually(lambda: state(laptop, run)["generation"] == 2, "the run")
    assert "20:00" in cluster.call(*job)
    assert laptop(["cancel", run, "--timeout", "60"]).code == 0
    assert state(laptop, run)["status"] == "cancelled"
    assert laptop(["wait", run]).code == 5
    gate.touch()
    assert laptop(["resume", run]).code == 0
    assert laptop(["wait", run]).code == 0
    assert outputs(laptop, run) == ANSWER
    assert laptop(["resume", run, "--here"]).err.startswith("d4py: error: --here is not for a run elsewhere.")


def goes_on(process: psutil.Process) -> bool:
    """Whether a process is more than what nobody has asked the end of."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_who_stops_waiting_leaves_nothing_running_on_the_login_node(laptop: Call, login: Login, tmp_path: Path) -> None:
    """`wait` says nothing until the end, so what does it there would not even see that nobody reads it."""
    run = laptop(
        f"submit --slurm wf.py {SITE} --set n=20000 --set gate={login.root / 'gate'}"
    ).out.strip()  # 10 minutes

    def waiting() -> list[psutil.Process]:
        found = []
        for process in login.sessions():
            with suppress(psutil.NoSuchProcess):
                found += [process] if "d4py.cli.main" in process.cmdline() and "@" in process.cmdline()[-1] else []
        return found

    here = subprocess.Popen([*D4PY, "wait", run], env=login.laptop(tmp_path))
    eventually(waiting, "d4py on the login node to begin")
    (there,) = waiting()
    here.send_signal(signal.SIGINT)
    assert here.wait(timeout=PATIENCE) != 0

    eventually(lambda: not goes_on(there), "d4py on the login node to end")
    laptop(["cancel", run])


@pytest.mark.parametrize(("program", "when"), [("squeue", "before"), ("sbatch", "after")])
def test_a_connection_that_is_lost_on_the_way_submits_once(
    program: str, when: str, laptop: Call, login: Login, cluster: Cluster
) -> None:
    login.cut_once(program, when=when)

    sent = laptop(f"submit --slurm wf.py {SITE} --run-id once{program}")

    assert (sent.code, sent.out) == (0, f"slurm://login/once{program}\n"), sent.err
    assert (login.root / f"cut-{program}").exists()
    assert len(re.findall("Accepted publickey", login.log)) == 2
    run = sent.out.strip()
    assert laptop(["wait", run]).code == 0
    assert outputs(laptop, run) == ANSWER
    assert len(list((folder_of(login, run) / "logs").glob("job-*.log"))) == 1
    assert laptop(f"submit --slurm wf.py {SITE} --run-id once{program}").out == sent.out
    jobs = cluster.call("squeue", "--noheader", "--states=all", f"--name=d4py-once{program}", "--format=%i")
    assert len(jobs.split()) == 1


def test_two_submissions_of_one_run_at_once_are_one(
    laptop: Call, login: Login, cluster: Cluster, tmp_path: Path
) -> None:
    real = shutil.which("sbatch")
    login.program(
        "sbatch", f'case "$*" in *--test-only*) ;; *) sleep 3 ;; esac\nexec {real} "$@"'
    )  # time to look twice
    words = [*D4PY, *f"submit --slurm wf.py {SITE} --run-id both".split()]
    environment = login.laptop(tmp_path)

    both = [subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    assert [process.communicate(timeout=PATIENCE)[0] for process in both] == ["slurm://login/both\n"] * 2
    jobs = cluster.call("squeue", "--noheader", "--states=all", "--name=d4py-both", "--format=%i")
    assert len(jobs.split()) == 1
    assert laptop("wait slurm://login/both").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("wf.py --host nowhere.invalid", "There is no host 'nowhere.invalid'. Check its name"),
        ("wf.py --host stranger", "stranger lets nobody in: "),
        ("wf.py --host forgotten", "forgotten cannot be trusted: Host key verification failed."),
        ("wf.py --host away", "away cannot be reached: "),
        ("wf.py --host -oProxyCommand=touch", "The host is '-oProxyCommand=touch'."),
        ("absent.py --host login", "There is no file 'absent.py'"),
        ("wf.py --host login -f absent.json", "absent.json cannot be read: No such file"),
        ("wf.py --host login --run-dir r", "--run-dir r is on the cluster."),
        ("wf.py --host login --profile generc", "Did you mean 'generic'?"),
        ("wf.py --host login --partition nowhere", "login: sbatch refuses: "),
        ("wf.py --host login --set x=1", "login: "),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(words: str, says: str, laptop: Call, login: Login) -> None:
    told = laptop(["submit", "--slurm", *words.replace("--host -", "--host=-").split()])

    assert (told.code, told.out, len(told.err.splitlines())) == (2, "", 1), told.err
    assert says in told.err
    assert not list(login.home.glob(".local/state/d4py/runs/*/submission.json"))


@pytest.mark.parametrize(
    ("program", "text", "says"),
    [
        ("d4py", None, "There is no 'd4py' on login. Install d4py"),
        ("d4py", "echo d4py 0.0.1", "'d4py' on login is d4py 0.0.1; here is d4py "),
        ("d4py", "echo hello", "'d4py' on login is no d4py; here is d4py "),
        ("squeue", "exit 127", "login: squeue refuses: "),
    ],
)
def test_a_login_node_that_lacks_something_is_told_with_the_remedy(
    program: str, text: str | None, says: str, laptop: Call, login: Login
) -> None:
    if text is None:
        (login.root / "bin" / program).unlink()
        (login.home / ".bash_profile").write_text("PATH=/usr/bin\n")
    else:
        login.program(program, text)

    told = laptop("submit --slurm wf.py --host login")

    assert (told.code, len(told.err.splitlines())) == (2, 1), told.err
    assert says in told.err


def test_a_login_node_without_slurm_is_told(laptop: Call, login: Login) -> None:
    login.program("d4py", f'PATH=/nonexistent PYTHONPATH={SOURCE_ROOT} exec {sys.executable} -m d4py.cli.main "$@"')

    told = laptop("submit --slurm wf.py --host login")

    assert (told.code, told.out) == (2, "")
    assert told.err == (
        "d4py: error: login: There is no squeue on this machine. Submit on a login node; --host LOGIN does so from elsewhere.\n"
    )


def test_a_dry_run_prints_the_script_that_the_login_node_makes_and_leaves_nothing(laptop: Call, login: Login) -> None:
    told = laptop(f"submit --slurm wf.py {SITE} --dry-run --run-id dry")

    assert told.code == 0, told.err
    assert told.out.startswith("#!/bin/bash\n# The job of the run dry")
    assert f"cd {folder_of(login, 'dry')}/sent" in told.out
    assert not folder_of(login, "dry").exists()


@pytest.mark.parametrize("shell", ["sh", "bash", "tcsh"])
def test_nothing_of_what_is_told_is_read_by_a_shell(shell: str, tmp_path: Path) -> None:
    """Words go through a login shell as ssh starts it, in hexadecimal: they come out as they were, whatever that shell is."""
    chance = random.Random("hostile")
    program = tmp_path / "d4py"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$#" "$1" >>{tmp_path}/said\n')
    program.chmod(0o755)
    host, at_home = Host(name="login", d4py=str(program)), {**os.environ, "HOME": str(tmp_path)}
    sent = [
        ["".join(chance.choices(NASTY.split("|"), k=chance.randint(1, 6))) for _ in range(chance.randint(1, 4))]
        for _ in range(20)
    ]

    for words in sent:
        line = host._command(told(words))[-1]
        subprocess.run([shell, "-c", line], cwd=tmp_path, env=at_home, check=True, timeout=PATIENCE)

    lines = (tmp_path / "said").read_text().splitlines()
    assert set(lines[::2]) == {"1"}
    assert [heard(line) for line in lines[1::2]] == sent
    assert not list(tmp_path.rglob("HACKED"))


def test_hostile_arguments_reach_the_run_as_they_are(laptop: Call, login: Login) -> None:
    nasty = "'; touch HACKED; $(touch HACKED) `touch HACKED` \"\n!! {a,b} ~ *"

    sent = laptop(["submit", "--slurm", "wf.py", "--host", "login", "--dry-run", "--set", f"gate={nasty}"])

    assert sent.code == 0, sent.err
    (login.root / "script").write_text(sent.out.replace("mpiexec -n 1", "printf '%s\\0'").replace("cd ", ": cd "))
    ran = subprocess.run(
        ["bash", "script"], cwd=login.root, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert f"--set=gate={nasty}" in ran.stdout.split("\0")
    assert not list(login.root.rglob("HACKED"))


def test_wheels_are_fetched_on_the_laptop_and_sent_once(laptop: Call, login: Login, tmp_path: Path) -> None:
    """The login node has no index to ask."""
    lonely = f'PIP_NO_INDEX=1 PIP_FIND_LINKS= PYTHONPATH={SOURCE_ROOT} exec {sys.executable} -m d4py.cli.main "$@"'
    login.program("d4py", lonely)
    (tmp_path / "big").mkdir()
    (tmp_path / "big/workflow.py").write_text(NEEDY)
    (tmp_path / "big/workflow.toml").write_text(f'requirements = ["{NEEDS}"]\n')
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    words = f"submit --slurm big {SITE} --env wheelhouse"
    first, second = laptop(f"{words} --run-id a", **cache), laptop(f"{words} --run-id b", **cache)
    laptop("cancel slurm://login/a")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    eventually(lambda: state(laptop, "slurm://login/b")["status"] == "done", "the run", within=150)
    assert laptop("outputs slurm://login/b").out.count("'1,000'") == 1
    assert list((folder_of(login, "b") / "wheels").glob("humanize-*.whl"))
    assert len(list((login.home / ".cache/d4py/wheelhouses").iterdir())) == 1
    assert not list((folder_of(login, "b") / "sent").rglob("*.whl"))
    assert len(list((folder_of(login, "b") / "sent/.d4py/wheels").iterdir())) == 1


def test_a_file_about_a_host_that_is_wrong_is_told(laptop: Call, tmp_path: Path) -> None:
    for text, says in (("d4py = 'a b'", "has d4py = 'a b'"), ("ssh = 'x'", "has ssh = 'x'"), ("x = 1", "has 'x'")):
        (tmp_path / "config/d4py/hosts/login.toml").write_text(text)

        told = laptop("list --host login")

        assert (told.code, told.out) == (2, "")
        assert says in told.err
        assert "login.toml" in told.err
