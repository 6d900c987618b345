# SPDX-License-Identifier: Apache-2.0
"""Tasks of 50 ms, some of which are killed with the process that runs them. A journal tells each call, and each result that came back."""

from __future__ import annotations

import os
import time

SECONDS = 0.05


def tasks() -> int:
    """Return how many tasks there are."""
    return int(os.environ["BENCH_ITEMS"])


def note(line: str) -> None:
    """Add a line to the journal, which many processes write."""
    file = os.open(os.environ["BENCH_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{time.monotonic()} {line}\n".encode())
    finally:
        os.close(file)


def work(number: int) -> int:
    """Do one task."""
    note(f"call {number} {os.getpid()}")
    time.sleep(SECONDS)
    return number


def got(number: int) -> None:
    """Tell that the result of a task came back."""
    note(f"got {number}")
