# SPDX-License-Identifier: Apache-2.0
"""Keeps a run to one process at a time: the kernel lets go of the lock when that process dies, whatever its state file says."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from d4py.errors import StateError
from d4py.runs.process import here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "lock"
PATIENCE = 5.0  # seconds; a process that was killed is seen as dead some moments before its lock is free
_held: set[int] = set()


@contextmanager
def held(folder: Path) -> Iterator[list[str]]:
    """Keep other processes from the run in a folder. Yields warnings. Raises StateError, saying who has it; then nothing has changed."""
    path = folder / _NAME
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT, 0o600
        )  # closed by exec: a program that a PE starts has no part in it
    except OSError as error:
        raise StateError(
            f"The run in {folder} cannot be kept to this process: {path} cannot be opened: {error.strerror}.",
            hint="Check who owns its folder.",
        ) from None
    _held.add(descriptor)
    try:
        yield _locked(descriptor, folder)
    finally:
        if descriptor in _held:  # not in a child that came out of a PE's fork()
            _held.discard(descriptor)
            os.close(descriptor)


def _locked(descriptor: int, folder: Path) -> list[str]:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StateError(
                    f"The run in {folder} is in the hands of {_holder(descriptor)}.", hint="Wait until that has ended."
                ) from None
            time.sleep(0.01)
        except OSError as error:
            return [
                f"{folder} is on a file system without locks ({error.strerror}): see to it that no second process resumes this run."
            ]
    with suppress(OSError):  # only said to others
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {here()}".encode(), 0)
    return []


def _holder(descriptor: int) -> str:
    try:
        return os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
    except OSError:
        return "another process"


def _let_go() -> None:
    """In a process that was just forked: a lock lasts as long as anyone has it open, and this one must not outlast the run's own process."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
