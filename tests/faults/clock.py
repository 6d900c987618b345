# SPDX-License-Identifier: Apache-2.0
"""A wall clock that jumps for all processes of a run at once, while the clocks that never go back go on as they are."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Any

_OFFSET = struct.Struct("d")


def create(path: Path) -> None:
    """Make the file that holds how far the clock is off."""
    path.write_bytes(_OFFSET.pack(0.0))


def jump(path: Path, seconds: float) -> None:
    """Put the clock of all who follow the file forward, or back."""
    with open(path, "r+b") as file:
        file.write(_OFFSET.pack(seconds))


def follow(path: str) -> None:
    """Let what this process takes for the time of day be off by what the file says."""
    with open(path, "rb") as file:
        offset = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)
    real, local, utc, told = time.time, time.localtime, time.gmtime, time.strftime

    def now() -> float:
        return float(real() + _OFFSET.unpack(offset[: _OFFSET.size])[0])

    def strftime(form: str, moment: Any = None) -> str:
        return told(form, local(now()) if moment is None else moment)

    time.time = now
    time.time_ns = lambda: int(now() * 1e9)
    time.localtime = lambda seconds=None: local(now() if seconds is None else seconds)
    time.gmtime = lambda seconds=None: utc(now() if seconds is None else seconds)
    time.strftime = strftime
