# SPDX-License-Identifier: Apache-2.0
"""Stamps sent one at a time, one a millisecond, and how old each is when it arrives: the work, and two processes joined by a bare pipe."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from statistics import quantiles

from bench.workloads.marks import begin, end

PERIOD_S = 0.001
_STAMP = struct.Struct("d")
_WARM = 10  # one stamp of so many, the first ones: the processes may still be starting


def stamps(items: int) -> Iterator[float]:
    """Yield what the machine's clock says, which all its processes share."""
    begin()
    due = time.monotonic()
    for _ in range(items):
        due += PERIOD_S
        time.sleep(max(0.0, due - time.monotonic()))
        yield time.monotonic()


class Ages:
    """How old stamps were when they came, in seconds."""

    def __init__(self) -> None:
        self.ages: list[float] = []

    def add(self, stamp: float) -> None:
        self.ages.append(time.monotonic() - stamp)

    def tell(self) -> None:
        """Leave the end mark, with the middle of the ages and how old one in a hundred is at least, in microseconds."""
        steps = quantiles(self.ages[len(self.ages) // _WARM :], n=100, method="inclusive")
        end(len(self.ages), **{"p50 us": 1e6 * steps[49], "p99 us": 1e6 * steps[98]})


def loop(items: int) -> None:
    """Send the stamps to a child through a pipe."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        ages = Ages()
        while data := os.read(reading, _STAMP.size):
            ages.add(_STAMP.unpack(data)[0])
        ages.tell()
        os._exit(0)
    os.close(reading)
    for stamp in stamps(items):
        os.write(writing, _STAMP.pack(stamp))
    os.close(writing)
    os.wait()


def answer(items: int) -> int:
    """Return how many there were."""
    return items
