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
    """The first item is about to be made."""
    _leave(begin=time.monotonic())


def end(answer: Any, *, cpu: float = 0.0) -> None:
    """One sink has its last item. cpu: seconds that the tasks themselves took."""
    _leave(end=time.monotonic(), answer=answer, cpu=cpu)


def _leave(**mark: Any) -> None:
    file = os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(mark).encode() + b"\n")
    finally:
        os.close(file)
