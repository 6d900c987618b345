# SPDX-License-Identifier: Apache-2.0
"""The wheel of this checkout in an environment of its own, kept in the cache under the wheel's digest."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the modules beside this one are tests.docs.NAME
KEPT = 6  # environments in the cache; older ones are deleted

Environment = Callable[[str], Path]


def cache() -> Path:
    """Return the folder for what is kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d4py" / "docs"


def called(*command: str | Path) -> None:
    """Run a command that must succeed."""
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    called(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="session")
def environment(wheel: Path) -> Environment:
    """Return a function that gives the environment with an extra of the wheel ("" for none)."""

    def get(extra: str) -> Path:
        made_of = wheel.read_bytes() + sys.version.encode() + sys.base_prefix.encode()
        place = cache() / f"{hashlib.sha256(made_of).hexdigest()[:16]}-{extra or 'core'}"
        cache().mkdir(parents=True, exist_ok=True)
        with open(cache() / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (place / "ready").exists():
                make(place, f"{wheel}[{extra}]" if extra else str(wheel))
            (place / "ready").touch()
            forget_old()
        return place

    return get


def make(place: Path, what: str) -> None:
    """Make an environment without pip, and install into it from here."""
    venv.create(place, clear=True)
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python", "--disable-pip-version-check")
    called(*pip, "install", "--quiet", what)


def forget_old() -> None:
    """Delete all environments but the ones used last."""
    by_use = sorted(cache().glob("*-*/ready"), key=lambda mark: mark.stat().st_mtime, reverse=True)
    for mark in by_use[KEPT:]:
        shutil.rmtree(mark.parent, ignore_errors=True)
