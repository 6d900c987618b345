# SPDX-License-Identifier: Apache-2.0
"""Runs on nodes without a way out, with packages that no Python of theirs has: as wheels that went along."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call, eventually
from tests.slurm.test_runs import state

from d4py.errors import UsageError
from d4py.targets.slurm.wheel import write_wheel
from d4py.targets.slurm.wheelhouse import gathered, kind

NEEDS = "humanize==4.9.0"
WORKFLOW = """
import socket, sys
import time
import d4py
import humanize

@d4py.producer
def numbers(n: int = 4, endless: bool = False):
    yield from range(n)
    while endless:
        time.sleep(0.1)
        yield 4

class Say(d4py.IterativePE):
    def _process(self, number):
        try:
            socket.create_connection(("192.0.2.1", 443), 2)
            way = "a way out"
        except OSError as error:
            way = error.strerror
        self.log(f"{way}; {d4py.__file__}; {humanize.__file__}; {sys.prefix} on {socket.gethostname()}")
        return humanize.intcomma(number * 1000)

workflow = numbers() >> Say()
"""
OVER = ("done", "failed", "lost")
SITE = "--nodes 2 --ntasks-per-node 1 --time 5 --env wheelhouse"


@pytest.fixture(scope="session")
def wheels() -> Iterator[Path]:
    """Where wheels are kept: the tests share them."""
    with tempfile.TemporaryDirectory(prefix="d4py-wheels-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def folder(here: Path) -> Path:
    """A workflow that needs a package which is nowhere installed."""
    assert importlib.util.find_spec("humanize") is None
    (here / "big").mkdir()
    (here / "big" / "workflow.py").write_text(WORKFLOW)
    (here / "big" / "workflow.toml").write_text(f'requirements = ["{NEEDS}"]\n')
    return here


def profile(here: Path, text: str) -> None:
    """Write a profile."""
    profiles = here / "config" / "d4py" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "mine.toml").write_text(f'launcher = ["srun", "--mpi=pmix"]\n{text}')


def test_nodes_have_no_way_out(cluster: Cluster) -> None:
    """Else the tests below show nothing."""
    routes = subprocess.check_output(["ip", "-n", cluster.space(1), "route"], text=True)

    assert len(routes.splitlines()) == 1
    assert "default" not in routes


def test_what_a_workflow_needs_goes_along_and_is_fetched_once(call: Call, folder: Path, wheels: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(wheels)}

    sent = call(f"submit --slurm big --profile debian-test {SITE} --run-id first", **cache)
    eventually(lambda: state(call, "first")["status"] in OVER, "the run", within=150)
    logs = call("logs first").out
    # The second has no index to ask.
    nowhere = {**cache, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    again = call(f"submit --slurm big --profile debian-test {SITE} --run-id second", **nowhere)

    assert (sent.code, state(call, "first")["status"]) == (0, "done"), logs
    assert sorted(re.findall(r"'[\d,]+'", call("outputs first").out)) == ["'0'", "'1,000'", "'2,000'", "'3,000'"]
    venv = folder / "state/d4py/runs/first/venv"
    assert re.search(rf"Network is unreachable; {venv}/\S+; {venv}/\S+/humanize/__init__.py; {venv} on n\d", logs)
    assert (again.code, again.out) == (0, "slurm://second\n"), again.err
    assert call("cancel second --timeout 60").code == 0
    name = "wheels/humanize-4.9.0-py3-none-any.whl"
    assert (folder / "state/d4py/runs/first" / name).samefile(folder / "state/d4py/runs/second" / name)


def test_the_profile_may_have_it_on_the_disk_of_each_node(
    call: Call, folder: Path, cluster: Cluster, wheels: Path
) -> None:
    """In these nodes /dev/shm is what each has alone. It is removed also where the run is cancelled."""
    profile(folder, 'environment = "wheelhouse"\nlocal = "/dev/shm"\n')

    words = "submit --slurm big --profile mine --nodes 2 --ntasks-per-node 1 --time 5 --set endless=true"
    run = call(words, XDG_CACHE_HOME=str(wheels)).out.strip()
    eventually(lambda: " on n" in call(["logs", run]).out, "the run", within=150)
    logs = call(["logs", run]).out
    cancelled = call(["cancel", run, "--timeout", "60"])

    def left_on(node: int) -> bool:
        inside = f"--mount=/proc/{cluster.processes[f'slurmd.n{node}'].pid}/ns/mnt"
        return "d4py-" in subprocess.check_output(["nsenter", inside, "ls", "/dev/shm"], text=True)

    assert "cancelled" in cancelled.out, cancelled.err + logs
    assert f"; /dev/shm/d4py-{run.removeprefix('slurm://')} on n" in logs
    assert not (folder / "state/d4py/runs" / run.removeprefix("slurm://") / "venv").exists()
    eventually(
        lambda: not any(left_on(number) for number in range(1, cluster.nodes + 1)),
        "the job to clear the disks of its nodes",
    )


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('requirements = ["no-such-package-of-anyone==1"]', "The wheels cannot be had: Could not find a version"),
        ('requirements = ["humanize=4"]', "The wheels cannot be had: "),
        ('requirements = ["--index-url=http://x"]', "requirements of the workflow.toml of 'big' is ['--index-url"),
        ("requirements = 3", "requirements of the workflow.toml of 'big' is 3. Write requirements = "),
    ],
)
def test_what_cannot_be_had_is_one_line_and_nothing_is_sent(toml: str, says: str, call: Call, folder: Path) -> None:
    (folder / "big" / "workflow.toml").write_text(toml)

    told = call("submit --slurm big --env wheelhouse", XDG_CACHE_HOME=str(folder / "cache"))

    assert (told.code, told.out, len(told.err.splitlines())) == (2, "", 1), told.err
    assert says in told.err
    assert not list((folder / "state").glob("d4py/runs/*"))
    assert not list((folder / "cache" / "d4py").rglob("*.whl"))


def test_what_is_not_named_as_needed_is_told_in_the_log(call: Call, folder: Path, wheels: Path) -> None:
    (folder / "big" / "workflow.toml").unlink()

    run = call(f"submit --slurm big --profile debian-test {SITE}", XDG_CACHE_HOME=str(wheels)).out.strip()
    eventually(lambda: state(call, run)["status"] in OVER, "the run", within=150)

    assert state(call, run)["status"] == "failed"
    assert "No module named 'humanize'" in str(state(call, run)["error"])


def test_without_a_wheelhouse_it_is_told_at_once(call: Call, folder: Path) -> None:
    assert "No module named 'humanize'" in call("submit --slurm big").err
    assert "--env means nothing here. Add --slurm." in call("submit big --env host").err


def test_the_wheel_of_d4py_is_made_of_what_runs_and_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = write_wheel(tmp_path / "a"), write_wheel(tmp_path / "b")

    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            f"--target={tmp_path / 'c'}",
            str(one),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "c/d4py/targets/slurm/profiles/generic.toml").is_file()
    assert zipfile.ZipFile(one).testzip() is None


def test_wheels_for_an_older_system_are_chosen_by_the_same_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    python, machine = kind().split(" ")[:3], kind().split(" ")[3]
    older = " ".join([*python, machine, "glibc-2.28"])
    other = " ".join([python[0], "3.99", python[2], machine, "glibc-2.28"])

    house = gathered([NEEDS], mapping="mpi", target=older)

    assert house != gathered([NEEDS], mapping="simple", target=older)
    assert {path.name.partition("-")[0] for path in house.iterdir()} >= {"d4py", "humanize", "mpi4py", "pip"}
    with pytest.raises(UsageError, match=r"The cluster has \w+ 3\.99 .* wheels can only be chosen by"):
        gathered([NEEDS], mapping="mpi", target=other)
