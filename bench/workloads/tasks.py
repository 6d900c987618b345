# SPDX-License-Identifier: Apache-2.0
"""Tasks of about 5 ms of computing each: the work, and a plain loop over it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from bench.workloads.marks import begin, end

ROUNDS = 33_000  # of a generator of random numbers: about 5 ms, in Python, which holds the interpreter's lock
LONGEST = 50  # where tasks are skewed: one in ten takes as long as so many of the others; the mean is the same
_ONE_IN = 10
_MASK = 0x7FFFFFFF
VARIANT = os.environ.get("BENCH_VARIANT", "")  # "skewed", or all alike

Done = tuple[int, float]  # result, CPU seconds


def numbers(items: int) -> Iterator[int]:
    begin()
    yield from range(items)


def rounds(number: int, variant: str = VARIANT) -> int:
    """Return how long a task is."""
    if variant != "skewed":
        return ROUNDS
    share = ROUNDS * _ONE_IN // (LONGEST + _ONE_IN - 1)
    return LONGEST * share if number % _ONE_IN == 0 else share


def drawn(number: int, times: int) -> int:
    """Return what the generator gives after many rounds."""
    for _ in range(times):
        number = (number * 1103515245 + 12345) & _MASK
    return number


def work(number: int) -> Done:
    """Do one task; tell how much CPU time it took."""
    times = rounds(number)
    began = time.thread_time()
    result = drawn(number, times)
    return result, time.thread_time() - began


class Sum:
    """Results and CPU seconds of all tasks."""

    def __init__(self) -> None:
        self.total = 0
        self.cpu = 0.0

    def add(self, done: Done) -> None:
        self.total += done[0]
        self.cpu += done[1]


def loop(items: int) -> None:
    """Do the tasks one after another."""
    total = Sum()
    for number in numbers(items):
        total.add(work(number))
    end(total.total, cpu=total.cpu)


def answer(items: int, variant: str = "") -> int:
    """Return the sum of the results. Many rounds are one: the n-th power of an affine map."""
    maps = {times: _power(times) for times in {rounds(number, variant) for number in range(items)}}
    total = 0
    for number in range(items):
        factor, added = maps[rounds(number, variant)]
        total += (number * factor + added) & _MASK
    return total


def _power(times: int) -> tuple[int, int]:
    factor, added = 1, 0
    for _ in range(times):
        factor, added = (factor * 1103515245) & _MASK, (added * 1103515245 + 12345) & _MASK
    return factor, added
