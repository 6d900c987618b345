# SPDX-License-Identifier: Apache-2.0
"""Arrays made in one place and summed in another: the work, and a plain loop over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from bench.workloads.marks import begin, end
from numpy.typing import NDArray

Array = NDArray[np.float64]
VALUES = 100_000
BYTES = 8 * VALUES


def arrays(items: int) -> Iterator[Array]:
    begin()
    for number in range(items):
        yield np.full(VALUES, float(number))


def filled(items: int, empty: Callable[..., Array]) -> Iterator[Array]:
    """Yield the same arrays, computed in memory that somebody else gives."""
    begin()
    for number in range(items):
        array = empty(VALUES, np.float64)
        array.fill(number)
        yield array


class Sum:
    """The sum of all arrays; exact, since all numbers are whole and small."""

    def __init__(self) -> None:
        self.total = 0.0

    def add(self, array: Array) -> None:
        self.total += float(array.sum())


def loop(items: int) -> None:
    """Make and sum in a loop."""
    total = Sum()
    for array in arrays(items):
        total.add(array)
    end(total.total)


def answer(items: int) -> float:
    """Return the sum of all numbers."""
    return float(VALUES * (items * (items - 1) // 2))
