# SPDX-License-Identifier: Apache-2.0
"""The old command as a program, and dispel4py's own examples beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.compat.programmes import unpacked

import d4py

SOURCE_ROOT = Path(d4py.__file__).parents[1]
PATIENCE = 50.0  # seconds; nothing takes so long when all is well


class Told(NamedTuple):
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str


Program = Callable[..., Told]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the test works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def python(here: Path) -> Program:
    """Run Python with d4py on its path. path: what else is on it."""

    def run(*words: str, path: Path | None = None) -> Told:
        places = [str(place) for place in (SOURCE_ROOT, path) if place is not None]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        ran = subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE, cwd=here
        )
        return Told(ran.returncode, ran.stdout, ran.stderr)

    return run


@pytest.fixture
def old(python: Program) -> Program:
    """Run the old command."""

    def run(*words: str, path: Path | None = None) -> Told:
        return python("-m", "d4py.compat", *words, path=path)

    return run


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder with dispel4py's own package."""
    return unpacked()
