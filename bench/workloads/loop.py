# SPDX-License-Identifier: Apache-2.0
"""Time the plain loop of a workload: loop.py NAME. A short one runs several times, and the harness takes the median."""

from __future__ import annotations

import importlib
import sys
import time

from bench.workloads.marks import items

PASSES = 5
ENOUGH_S = 0.5

if __name__ == "__main__":
    workload = importlib.import_module(f"bench.workloads.{sys.argv[1]}")
    began = time.monotonic()
    for _ in range(PASSES):
        workload.loop(items())
        if time.monotonic() - began > ENOUGH_S:
            break
