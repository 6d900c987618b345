# SPDX-License-Identifier: Apache-2.0
"""What processes cost, as the kernel counts it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def processor(pid: int) -> float:
    """Return the seconds of a processor that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak(pid: int) -> float:
    """Return the most memory that a process has had resident, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (held,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(held) * 1024 / 1e6


class Meter:
    """Counts what each of several processes uses from now on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._begun = self._read()

    def _read(self) -> dict[str, float]:
        return {name: processor(pid) for name, pid in self._pids.items()}

    def used(self) -> dict[str, float]:
        """Return the seconds of a processor that each has used since."""
        return {name: now - self._begun[name] for name, now in self._read().items()}
