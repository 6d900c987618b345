# SPDX-License-Identifier: Apache-2.0
"""Tasks of about 5 ms of computing each: the work, and a plain loop over it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.workloads.marks import begin, end

ROUNDS = 33_000  # of a generator of random numbers: about 5 ms, in Python, which holds the interpreter's lock
_MASK = 0x7FFFFFFF

Done = tuple[int, float]  # result, CPU seconds


def numbers(items: int) -> Iterator[int]:
    begin()
    yield from range(items)


def drawn(number: int) -> int:
    """Return what the generator gives after many rounds."""
    for _ in range(ROUNDS):
        number = (number * 1103515245 + 12345) & _MASK
    return number


def work(number: int) -> Done:
    """Do one task; tell how much CPU time it took."""
    began = time.thread_time()
    result = drawn(number)
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


def answer(items: int) -> int:
    """Return the sum of the results. Many rounds are one: the n-th power of an affine map."""
    factor, added = 1, 0
    for _ in range(ROUNDS):
        factor, added = (factor * 1103515245) & _MASK, (added * 1103515245 + 12345) & _MASK
    return sum((number * factor + added) & _MASK for number in range(items))
