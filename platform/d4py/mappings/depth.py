# SPDX-License-Identifier: Apache-2.0
"""Room on Python's stack for long chains: in a cell each PE writes within the call of the one before it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.plan import Plan

_FRAMES_PER_PE = 6  # generously


@contextmanager
def deep_enough(plan: Plan) -> Iterator[None]:
    """Raise the recursion limit of this process to what the longest cell of a plan needs."""
    longest = max((len(cell.instances) for cell in plan.cells), default=0)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES_PER_PE * longest + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
