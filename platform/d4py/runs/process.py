# SPDX-License-Identifier: Apache-2.0
"""Whether a run's process still lives."""

from __future__ import annotations

import os
import time
from pathlib import Path


def here() -> str:
    """Return this host's name."""
    return os.uname().nodename


def started(pid: int) -> str:
    """Return a mark of when a process started, so that a later one with its number is told apart; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def age() -> float:
    """Return how many seconds ago this process was started; 0 where nobody says."""
    ticks = started(os.getpid())
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def alive(pid: int, start: str, host: str) -> bool:
    """Return whether the process that a state names lives. One on another host is believed to."""
    if host and host != here():
        return True
    if pid <= 0:
        return False
    if Path("/proc").is_dir():
        now = started(pid)
        return bool(now) and (not start or now == start)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
