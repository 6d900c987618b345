# SPDX-License-Identifier: Apache-2.0
"""A folder of its own for each test with workflows in it, and the command line, called in this process or as a program."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import d4py
from d4py.cli.main import main

SOURCE_ROOT = Path(d4py.__file__).parents[1]
PATIENCE = 30.0  # seconds until a test gives up on an event; nothing waits so long when all is well

TINY = """
import d4py

@d4py.producer
def numbers(n: int = 10):
    yield from range(n)

@d4py.iterative
def double(x: int) -> int:
    return 2 * x

class Total(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("output")
        self.sum = 0

    def process(self, inputs):
        self.log(f"got {inputs['input']}")
        self.sum += inputs["input"]

    def postprocess(self):
        self.write("output", self.sum)

workflow = numbers() >> double() >> Total()
"""

# Raises on 5 until there is a file `mended`.
FRAGILE = """
import os
import d4py

@d4py.producer
def numbers(n: int = 10):
    yield from range(n)

@d4py.iterative
def invert(x: int) -> float:
    if x == 5 and not os.path.exists("mended"):
        raise ValueError("five is not allowed")
    return x / 2

workflow = numbers() >> invert()
"""

# Gives 3 numbers, then waits for a file `go`, then gives 3 more. While it waits it can be stopped: it gives numbers that the next PE drops.
WAITING = """
import os, time
import d4py

class Numbers(d4py.ProducerPE):
    def __init__(self):
        super().__init__()
        self.at = 0

    def _process(self, inputs):
        while self.at < 6:
            if self.at == 3 and not os.path.exists("go"):
                time.sleep(0.01)
                yield -1
            else:
                self.at += 1
                yield self.at - 1

    def offset(self):
        return self.at

    def seek(self, offset):
        self.at = offset

@d4py.iterative
def positive(x: int):
    return x if x >= 0 else None

class Total(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("output")
        self.sum = 0

    def process(self, inputs):
        self.log(f"got {inputs['input']}")
        self.sum += inputs["input"]

    def postprocess(self):
        self.write("output", self.sum)

workflow = Numbers() >> positive() >> Total()
"""

LIVE = """
import time
import d4py

class Clock(d4py.ProducerPE):
    live = True
    stateless = True

    def _process(self, inputs):
        while True:
            time.sleep(0.01)
            yield 1

@d4py.iterative
def same(x: int):
    return x

workflow = Clock() >> same()
"""


class Told(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


Call = Callable[..., Told]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with workflows, and a state folder of its own."""
    work = tmp_path / "work"
    work.mkdir()
    for name, text in {"tiny": TINY, "fragile": FRAGILE, "waiting": WAITING, "live": LIVE}.items():
        (work / f"{name}.py").write_text(text)
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE_ROOT))
    monkeypatch.delenv("D4PY_DEBUG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    path = list(sys.path)
    yield work
    sys.path[:] = path


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line in this process."""

    def run(line: str | list[str]) -> Told:
        capsys.readouterr()
        code = main(shlex.split(line) if isinstance(line, str) else line)
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture
def program(here: Path) -> Call:
    """Run the command line as a program."""

    def run(line: str, **options: Any) -> Told:
        ended = subprocess.run(command(line), capture_output=True, text=True, timeout=PATIENCE, **options)
        return Told(ended.returncode, ended.stdout, ended.stderr)

    return run


def command(line: str) -> list[str]:
    return [sys.executable, "-m", "d4py.cli.main", *shlex.split(line)]


def eventually(condition: Callable[[], Any]) -> Any:
    """Return what the condition gives once it gives something; fail when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    return found


def touch(name: str) -> None:
    Path(name).touch()


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}
