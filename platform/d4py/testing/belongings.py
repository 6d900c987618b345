# SPDX-License-Identifier: Apache-2.0
"""What this process has at the moment, read from /proc: so that a test can tell what a run has left."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any


def belongings() -> dict[str, Any]:
    """Return what this process has: descendants, threads, how many descriptors; and what is in shared memory."""
    gc.collect()  # what is only unreachable is not left behind
    return {
        "descendants": descendants(),
        "threads": sorted(thread.name for thread in threading.enumerate() if thread.is_alive()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "memory": shared_memory(),
    }


def shared_memory() -> list[str]:
    """Return the names of what is in shared memory."""
    shared = Path("/dev/shm")  # noqa: S108 - looked at, not written
    return sorted(entry.name for entry in shared.iterdir()) if shared.is_dir() else []


def descendants(of: int | None = None) -> list[int]:
    """Return the processes that a process started, and those that these did."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [os.getpid() if of is None else of]
    for pid in found:
        found.extend(parents.get(pid, []))
    return found[1:]


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    fields = _stat(pid)
    return bool(fields) and fields[0] != "Z"


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
