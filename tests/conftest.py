# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: a home of its own for runs, examples that repeat, nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import settings

# Speed is not asserted, so examples have no deadline; the same examples every time, so that a red suite is red for everyone.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")

HELPERS = (
    "multiprocessing.forkserver",
    "multiprocessing.resource_tracker",
)  # Python's own; they serve the whole process


@pytest.fixture(autouse=True, scope="session")
def runs_are_kept_out_of_the_users_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """No thread that keeps the interpreter alive and no child process outlives its test."""
    threads = set(threading.enumerate())
    children = set(psutil.Process().children())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - threads if not thread.daemon]
    left += [command for child in set(psutil.Process().children()) - children if not is_helper(command := told(child))]
    assert left == []


def told(process: psutil.Process) -> str:
    """Return the command of a process, or nothing when it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def is_helper(command: str) -> bool:
    """Say whether a process is one of Python's own, or gone."""
    return not command or any(name in command for name in HELPERS)
