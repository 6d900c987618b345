# SPDX-License-Identifier: Apache-2.0
"""Outputs with arrays in them, small or large."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import d4py


@d4py.producer
def stacks(n: int = 2, size: int = 2) -> Iterator[dict[str, Any]]:
    """Yield square arrays of size x size."""
    for number in range(n):
        yield {"number": number, "stack": np.full((size, size), float(number))}


workflow = d4py.WorkflowGraph()
workflow.add(stacks())
