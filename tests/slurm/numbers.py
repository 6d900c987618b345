# SPDX-License-Identifier: Apache-2.0
"""The numbers of the Slurms on this machine: each is held by one process of tests. What one that was killed left behind is ended by whoever takes its number next."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from d4py.runs import process

ROOM = Path("/var/tmp")
NAME = "d4py-slurm-"  # of what is there
_PATIENCE = 10.0
_MOST = 32  # numbers that networks and ports are for


class Number:
    """A number that is held. Its file says which folder and which processes a Slurm has, for the next to hold it."""

    def __init__(self, value: int, file: IO[str]) -> None:
        self.value, self._file = value, file

    def has(self, word: str) -> None:
        """Note a folder."""
        self._file.write(f"{word}\n")
        self._file.flush()

    def runs(self, pid: int) -> None:
        """Note a process."""
        self.has(f"{pid} {process.started(pid)}")

    def spaces(self) -> list[str]:
        """Return the network namespaces of this number."""
        names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout.split()
        return [name for name in names if name.startswith(f"d4py{self.value}-n")]

    def clear(self) -> None:
        """End what a Slurm of this number left running, with the jobs on its nodes, and remove its folder."""
        self._file.seek(0)
        for line in self._file.read().splitlines():
            first, _, start = line.partition(" ")
            if start and process.started(int(first)) == start:
                kill(int(first))
            elif line.startswith(f"{ROOM}/{NAME}"):
                subprocess.run(["umount", f"{line}/small"], capture_output=True, check=False)
                shutil.rmtree(line, ignore_errors=True)
        for space in self.spaces():
            inside = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False)
            for pid in inside.stdout.split():
                kill(int(pid))
        self._file.truncate(0)


def kill(pid: int) -> None:
    """Let a process die; return when it has."""
    with suppress(ProcessLookupError):
        died = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            select.select([died], [], [], _PATIENCE)
        finally:
            os.close(died)


@contextmanager
def held(first: int = 0) -> Iterator[Number]:
    """Hold a number from this one on that nobody else does; it is given back with the process, however that ends."""
    for value in range(first, _MOST):
        with open(ROOM / f"{NAME}{value}.lock", "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            number = Number(value, file)
            number.clear()
            yield number
            return
    raise RuntimeError(f"All numbers from {first} to {_MOST - 1} are held.")
