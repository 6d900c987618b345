# SPDX-License-Identifier: Apache-2.0
"""What a workload tells the harness: when the first item was made, when a sink had its last, and what came out.

Marks are lines of a file that the harness names, so that any process of any system can leave one. The clock is the machine's.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any


def items() -> int:
    """Return how many items to make."""
    return int(os.environ["BENCH_ITEMS"])


def begin() -> None:
    """The first item is about to be made, by this process."""
    _leave(begin=time.monotonic(), process=os.getpid())


def spent(cpu: float) -> None:
    """A worker is done: so many seconds of CPU time, its own or those of its tasks."""
    _leave(cpu=cpu)


def end(answer: Any, *, cpu: float = 0.0, **figures: float) -> None:
    """One sink has its last item. cpu: seconds that the tasks themselves took. figures: what the sink has measured."""
    _leave(end=time.monotonic(), answer=answer, cpu=cpu, figures=figures)


def _leave(**mark: Any) -> None:
    file = os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(mark).encode() + b"\n")
    finally:
        os.close(file)
