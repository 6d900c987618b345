# SPDX-License-Identifier: Apache-2.0
"""Ints through four trivial functions: the work, and a plain loop over it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.workloads.marks import begin, end


def numbers(items: int) -> Iterator[int]:
    begin()
    yield from range(items)


def double(value: int) -> int:
    return 2 * value


def increment(value: int) -> int:
    return value + 1


class Sum:
    """The fourth function: it adds up."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, value: int) -> None:
        self.total += value


def loop(items: int) -> None:
    """Call the four functions in a loop."""
    total = Sum()
    for value in numbers(items):
        total.add(increment(double(value)))
    end(total.total)


def answer(items: int) -> int:
    """Return the sum of 2 i + 1."""
    return items * items
