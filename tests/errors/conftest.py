# SPDX-License-Identifier: Apache-2.0
"""A folder of its own for each test, and the command line called in this process."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from d4py.cli.main import main

GOOD = """
import d4py

@d4py.producer
def numbers(n: int = 3, scale: float = 1.0, loud: bool = False, sizes: list = [1]):
    yield from range(n)

@d4py.iterative
def double(x: int) -> int:
    return 2 * x

workflow = numbers() >> double()
"""


class Told(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


Call = Callable[..., Told]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder with a state folder of its own; modules that workflows bring are forgotten afterwards."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("D4PY_DEBUG", raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield work
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(work) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line."""

    def run(line: str | list[str]) -> Told:
        capsys.readouterr()
        code = main(shlex.split(line) if isinstance(line, str) else line)
        return Told(code, *capsys.readouterr())

    return run
