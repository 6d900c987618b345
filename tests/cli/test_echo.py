# SPDX-License-Identifier: Apache-2.0
"""A run in a pod prints what its PEs log: nobody sees its folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

WORKFLOW = """
import d4py

class Talk(d4py.IterativePE):
    def _process(self, x):
        self.log(f"heard {x}")

@d4py.producer
def numbers():
    yield from range(3)

workflow = numbers() >> Talk()
"""


@pytest.mark.parametrize(("asked", "heard"), [({}, []), ({"D4PY_LOGS": "stdout"}, ["heard 0", "heard 1", "heard 2"])])
def test_what_pes_log_is_printed_where_that_is_asked_for(
    asked: dict[str, str], heard: list[str], tmp_path: Path
) -> None:
    (tmp_path / "talk.py").write_text(WORKFLOW)
    command = [sys.executable, "-m", "d4py.cli.main", "run", "talk.py", "--quiet"]
    ran = subprocess.run(command, cwd=tmp_path, env={**os.environ, **asked}, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stdout.splitlines() if line.startswith("Talk | ")]
    assert [line[-7:] for line in lines] == heard


KILLED = """
import os
import signal
import time
from pathlib import Path

import d4py

class Talk(d4py.IterativePE):
    def _process(self, x):
        self.log(f"heard {x}")
        if x == 1 and not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

@d4py.producer
def numbers():
    yield 0
    while not Path("go").exists():
        time.sleep(0.02)
    yield 1

workflow = numbers() >> Talk()
"""


def said(text: str) -> list[str]:
    return [line.removeprefix("Talk | ") for line in text.splitlines() if line.startswith("Talk | ")]


def test_what_was_logged_just_before_a_kill_is_printed_by_the_next_start_and_nothing_that_was_printed(
    tmp_path: Path,
) -> None:
    """Where a pod is killed, nobody sees its folder afterwards either."""
    (tmp_path / "talk.py").write_text(KILLED)
    d4py, printed = [sys.executable, "-m", "d4py.cli.main"], tmp_path / "run" / "printed.json"
    environment = {**os.environ, "D4PY_LOGS": "stdout"}
    command = [*d4py, "run", "talk.py", "--quiet", "--mapping", "simple", "--run-dir", "run"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as first:
        try:
            assert first.stdout is not None
            before = first.stdout.readline()
            until = time.monotonic() + 30
            while not (printed.exists() and json.loads(printed.read_text()).get("Talk.log")):
                assert time.monotonic() < until
                time.sleep(0.02)
            (tmp_path / "go").touch()
            before += first.stdout.read()
        finally:
            first.kill()
    assert first.returncode == -signal.SIGKILL

    words = [*d4py, "resume", str(tmp_path / "run"), "--quiet"]
    second = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    logged = (tmp_path / "run" / "logs" / "Talk.log").read_text().splitlines()
    assert [line[-7:] for line in logged] == ["heard 0", "heard 1"] * 2
    told = [*said(before), *said(second.stdout)]
    assert not Counter(logged) - Counter(told)
    assert said(before)[0] == logged[0]
    assert told.count(logged[0]) == logged.count(logged[0])
