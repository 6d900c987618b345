# SPDX-License-Identifier: Apache-2.0
"""How often a workflow is loaded when workers start, and what they inherit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.cli.conftest import Call, command, eventually, touch

from d4py.runs import find

LOADS = """
import os
import d4py

with open("loads", "a") as file:
    file.write(f"{os.getpid()}\\n")

@d4py.producer
def numbers():
    yield os.environ.get("OPENBLAS_NUM_THREADS", "")
    yield os.read(0, 1)

@d4py.iterative
def same(value):
    return str(value)

workflow = numbers() >> same()
"""

THREADED = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
"""


def loads() -> int:
    return len(set(Path("loads").read_text().split()))


def test_a_command_loads_its_workflow_once_and_forks_what_starts_workers(program: Call) -> None:
    Path("loads.py").write_text(LOADS)

    assert program("run loads.py -m multi -n 2 -q").code == 0

    assert loads() == 1


def test_a_workflow_that_starts_threads_is_loaded_again_where_there_are_none(program: Call) -> None:
    Path("loads.py").write_text(LOADS + THREADED)

    assert program("run loads.py -m multi -n 2 -q").code == 0

    assert loads() == 2


def test_a_script_is_never_forked(here: Path) -> None:
    Path("loads.py").write_text(LOADS)
    script = "import d4py\nassert d4py.run('loads.py', 'multi', processes=2).exit_code == 0"

    subprocess.run([sys.executable, "-c", script], check=True)

    assert loads() == 2


@pytest.mark.parametrize("threads", ["", THREADED], ids=["forked", "spawned"])
def test_workers_have_one_numerical_thread_each_and_nothing_to_read(program: Call, threads: str) -> None:
    Path("loads.py").write_text(LOADS + threads)

    told = program("run loads.py -m multi -n 2 -q --run-id a", input="typed")

    assert (told.code, told.err) == (0, "")
    assert program("outputs a").out == """same.output: '1'\nsame.output: "b''"\n"""


@pytest.mark.parametrize(("restarts", "code", "generation"), [(3, 0, 2), (0, 3, 1)])
def test_the_death_of_a_forked_nursery_is_the_death_of_its_workers(
    here: Path, restarts: int, code: int, generation: int
) -> None:
    run = subprocess.Popen(
        command(f"run waiting.py -m multi -n 2 --run-id a --restarts {restarts}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    supervisor = psutil.Process(run.pid)
    eventually(lambda: len(supervisor.children(recursive=True)) >= 2)
    (nursery,) = supervisor.children()
    nursery.kill()
    if code == 0:
        eventually(lambda: find("a").generation() == 2)
    touch("go")

    _, told = run.communicate()

    assert (run.returncode, find("a").generation()) == (code, generation), told
    assert "defect" not in told
