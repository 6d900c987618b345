# SPDX-License-Identifier: Apache-2.0
"""Resident memory of one process while it runs, from /proc."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from bench.running import end

STEADY_S = 2.0  # after the first item; of a shorter watch a tenth
EVERY_S = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BEGUN_S = 30.0


class Watched:
    """Samples of the process that made the first item: (seconds since then, bytes)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.samples: list[tuple[float, int]] = []
        self.ended = True  # by itself

    def __call__(self, process: subprocess.Popen[bytes], marks: Path) -> None:
        """Watch until the command ends or the time is up; then it is ended, with all it started."""
        writer = self._writer(process, marks)
        began = time.monotonic()
        while writer is not None and process.poll() is None and time.monotonic() - began < self.seconds:
            if size := resident(writer):
                self.samples.append((time.monotonic() - began, size))
            time.sleep(EVERY_S)
        if process.poll() is None:
            self.ended = False
            end(process)

    def _writer(self, process: subprocess.Popen[bytes], marks: Path) -> int | None:
        until = time.monotonic() + _BEGUN_S
        while process.poll() is None and time.monotonic() < until:
            if marks.is_file() and (text := marks.read_text()).endswith("\n"):
                return int(json.loads(text.splitlines()[0])["process"])
            time.sleep(0.01)
        return None

    def figures(self) -> dict[str, float]:
        """Return the size at first, the most after that, and their ratio."""
        if not self.samples:
            return {}
        last = self.samples[-1][0]
        steady = STEADY_S if last > 5 * STEADY_S else last / 10
        later = [size for at, size in self.samples if at >= steady]
        return {
            "growth": max(later) / later[0],
            "MB at first": later[0] / 1e6,
            "MB at most": max(later) / 1e6,
            "s": last,
        }


def resident(process: int) -> int:
    """Return the resident bytes of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
