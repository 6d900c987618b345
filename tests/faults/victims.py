# SPDX-License-Identifier: Apache-2.0
"""Processes to strike, held by descriptor: a number that the system gives to another process later cannot be hit by mistake."""

from __future__ import annotations

import os
import resource
import select
import signal
from pathlib import Path
from typing import NamedTuple

_UNIT = 8 << 20  # bytes: memory varies by less


class Held(NamedTuple):
    """What a process has: its descriptors (sockets and memory files among them), threads, children (zombies too), and units of memory."""

    descriptors: int = 0
    threads: int = 0
    children: int = 0
    memory: int = 0


class Victim:
    """A process of a run."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._descriptor = None

    @property
    def alive(self) -> bool:
        """Whether it has not ended: a zombie has."""
        if self._descriptor is None:
            return False
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        return not poller.poll(0)

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        return _stat(self.pid)[:1] == ["T"]

    def send(self, kind: signal.Signals) -> None:
        """Send a signal, if it still lives."""
        if self._descriptor is not None:
            try:
                signal.pidfd_send_signal(self._descriptor, kind)
            except ProcessLookupError:
                return

    def limit_files(self, size: int) -> None:
        """Let no file that it writes grow above a size."""
        try:
            _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, hard))
        except ProcessLookupError:
            return

    def held(self) -> Held:
        """Return what it has now."""
        place = Path(f"/proc/{self.pid}")
        try:
            return Held(
                descriptors=len(list((place / "fd").iterdir())),
                threads=len(list((place / "task").iterdir())),
                children=len((place / "task" / str(self.pid) / "children").read_text().split()),
                memory=int((place / "statm").read_text().split()[1]) * resource.getpagesize() // _UNIT,
            )
        except OSError:
            return Held()

    def forget(self) -> None:
        """Let go of the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def marked(mark: str) -> list[int]:
    """Return the processes whose environment holds a mark, whoever is their parent now."""
    needle, found = mark.encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
