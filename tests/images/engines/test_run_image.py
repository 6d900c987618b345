# SPDX-License-Identifier: Apache-2.0
"""`d4py run --image`: a run in a container is to its user as one without."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from tests.images.conftest import Place
from tests.images.engines.daemons import eventually

WORKFLOW = """
import os
import time
import d4py


@d4py.producer
def items(archive: str = "", n: int = 3, pause: float = 0.0):
    path = f"{archive}/items" if os.path.isdir(archive) else archive
    for item in open(path).read().split() if path else range(n):
        if not os.path.exists(f"{archive}/go"):
            time.sleep(pause)
        yield item


@d4py.iterative
def rights(item):
    if item == "bad":
        raise ValueError("a bad item")
    if item == "rights":
        return [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))]
    if item == "write":
        open("/opt/d4py/mark", "w")
    return item


workflow = items() >> rights()
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflow that reads data."""
    root = tmp_path_factory.mktemp("runs") / "told"
    root.mkdir()
    (root / "workflow.py").write_text(WORKFLOW)
    (root / "workflow.toml").write_text('[data]\nmount = { archive = "/archive" }\n')
    return root


@pytest.fixture(scope="session")
def image(shared: Place, folder: Path) -> str:
    """Its image, as d4py builds it without an engine."""
    shared.build(folder, "-t", "told:1")
    return "told:1"


def data(folder: Path, text: str) -> Path:
    path = folder.parent / "data.txt"
    path.write_text(text)
    return path


def values(lines: str) -> list[object]:
    return [json.loads(line)["value"] for line in lines.splitlines()]


def test_it_gives_what_it_gives_outside(shared: Place, folder: Path, image: str, tmp_path: Path) -> None:
    """The run's folder, its outputs and its id are there afterwards, and of this user."""
    words = ("run", folder, "--image", image, "--set", "n=2", "--run-id", "inside", "--output", tmp_path / "out.jsonl")

    ran = shared.d4py(*words)

    assert "exit code 0: run inside on simple" in ran.stdout
    assert values((tmp_path / "out.jsonl").read_text()) == [0, 1]
    assert (tmp_path / "out.jsonl").stat().st_uid == os.getuid()
    assert values(shared.d4py("outputs", "inside", "-o", "json").stdout) == [0, 1]
    assert re.search(r"^inside +\S+ +simple +done +0", shared.d4py("list").stdout, re.MULTILINE)


def test_data_of_a_parameter_is_mounted_where_the_image_wants_it(shared: Place, folder: Path, image: str) -> None:
    ran = shared.d4py("run", folder, "--image", image, "--set", f"archive={data(folder, 'a b')}", "--json")

    assert json.loads(ran.stdout)["counts"]["items"]["written"] == 2


def test_its_process_has_no_right(shared: Place, folder: Path, image: str) -> None:
    """Root outside is nobody inside: no capability, none to be had, and nothing of the image can be written."""
    ran = shared.d4py("run", folder, "--image", image, "--set", f"archive={data(folder, 'rights')}")
    wrote = subprocess.run(
        [sys.executable, "-m", "d4py.cli.main", "run", folder, "--image", image, "--set", f"archive={data(folder, 'write')}"],
        env=shared.variables, capture_output=True, text=True,
    )  # fmt: skip

    assert "['0000000000000000', '1']" in ran.stdout
    assert wrote.returncode == 3
    assert "Read-only file system" in wrote.stdout + wrote.stderr


@pytest.mark.parametrize(
    ("policy", "code", "told"), [("fail", 3, "a bad item"), ("quarantine", 4, "1 item in quarantine")]
)
def test_exit_codes_come_through(shared: Place, folder: Path, image: str, policy: str, code: int, told: str) -> None:
    command = [sys.executable, "-m", "d4py.cli.main", "run", str(folder), "--image", image, "--on-error", policy]

    ran = subprocess.run(
        [*command, "--set", f"archive={data(folder, 'good bad')}"], env=shared.variables, capture_output=True, text=True
    )

    assert ran.returncode == code
    assert told in ran.stdout + ran.stderr


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Data of 1000 items, over which a run takes its time until there is a file `go` beside them."""
    (tmp_path / "items").write_text("x " * 1000)
    return tmp_path


def begun(shared: Place, folder: Path, image: str, run: str, slow: Path) -> subprocess.Popen[str]:
    """Start a run that takes its time, and return when it has made a checkpoint."""
    words = ["run", str(folder), "--image", image, "--run-id", run, "--set", "pause=0.05"]
    words += ["--set", f"archive={slow}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "d4py.cli.main", *words, "--checkpoint", "0.2"],
        env=shared.variables, cwd=shared.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    home = Path(shared.variables["XDG_STATE_HOME"]) / "d4py" / "runs" / run
    eventually(lambda: process.poll() is not None or list((home / "commits").glob("*.json")), f"a checkpoint in {home}")
    return process


def test_progress_is_live_on_a_terminal(shared: Place, folder: Path, image: str) -> None:
    """The container has a terminal where this process has one, and the size of it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    words = ["run", folder, "--image", image, "--set", "n=100", "--set", "pause=0.05"]
    process = subprocess.Popen(
        [sys.executable, "-m", "d4py.cli.main", *map(str, words)],
        env={**shared.variables, "TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    drawn = ""
    with suppress(OSError):  # the other end is closed
        while data := os.read(ours, 65536):
            drawn += data.decode()
    os.close(ours)

    assert process.wait() == 0
    assert re.search(r"\x1b\[1;2\dr", drawn)  # of 30 lines the last are kept for the display
    assert "exit code 0" in drawn


def test_ctrl_c_stops_a_run_which_goes_on_in_the_same_image(
    shared: Place, folder: Path, image: str, slow: Path
) -> None:
    process = begun(shared, folder, image, "stopped", slow)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    (slow / "go").touch()
    again = shared.d4py("resume", "stopped", "--image", image, "--json")

    assert process.returncode == 5, err
    assert "stopped in" in out
    assert f"In the same image: d4py resume stopped --image {image}" in err
    assert json.loads(again.stdout)["counts"]["rights"]["written"] == 1000


def test_a_container_that_is_killed_leaves_a_run_that_goes_on(
    shared: Place, folder: Path, image: str, slow: Path, daemon: docker.DockerClient
) -> None:
    process = begun(shared, folder, image, "killed", slow)

    daemon.containers.list(filters={"label": "dev.d4py.run=killed"})[0].kill()
    _, err = process.communicate(timeout=60)
    (slow / "go").touch()
    again = shared.d4py("resume", "killed", "--image", image, "--json")

    assert process.returncode == 5
    assert "d4py: error: The container was killed: signal 9." in err
    assert json.loads(again.stdout)["counts"]["rights"]["written"] == 1000
    assert daemon.containers.list(all=True, filters={"label": "dev.d4py.run=killed"}) == []


def test_the_runtime_image_runs_any_workflow(shared: Place, folder: Path, runtime: str, tmp_path: Path) -> None:
    """It holds none of its own: files are taken from here."""
    ran = shared.d4py("run", folder, "--image", runtime, "--set", f"archive={data(folder, 'a')}", "--mapping", "multi")

    assert "on multi" in ran.stdout
    assert "rights.output: 'a'" in ran.stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--image", "nothing:1"], "There is no image 'nothing:1', neither built by d4py nor in the container engine."),
        (["--image", "told:1", "--metrics", "0"], "--metrics cannot be reached in a container."),
        (["--image", "told:1", "--volume", "absent"], "The volume 'absent' does not exist."),
        (["--image", "told:1", "--volume", "/usr/share"], "'/usr/share' would hide what the image has there."),
        (["--image", "told:1", "--set", "archive=absent"], "There is no data at"),
    ],
)
def test_what_cannot_be_is_told(shared: Place, folder: Path, image: str, words: list[str], why: str) -> None:
    assert why in shared.d4py("run", folder, *words, code=2).stderr


def test_an_image_runs_the_workflow_that_it_was_built_of(shared: Place, image: str, write: Callable[..., Path]) -> None:
    ran = shared.d4py("run", write(), "--image", image, code=2)

    assert "The image is for another state of" in ran.stderr


def test_without_an_engine_the_remedy_is_told(shared: Place, folder: Path) -> None:
    for words in (("run", folder, "--image", "told:1"), ("build", folder, "--engine", "docker")):
        ran = shared.d4py(*words, code=2, DOCKER_HOST="unix:///nowhere/docker.sock")

        assert "No container engine answers at unix:///nowhere/docker.sock. Start docker" in ran.stderr
