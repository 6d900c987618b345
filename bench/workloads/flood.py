# SPDX-License-Identifier: Apache-2.0
"""A writer of 1 KB items that takes about a microsecond for each, and a reader that takes a thousand times as long."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.workloads.marks import begin

BYTES = 1024
READ_S = 0.001


def floods(items: int) -> Iterator[bytes]:
    begin()
    for number in range(items):
        yield number.to_bytes(BYTES, "little")


class Reader:
    """Takes its time."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, item: bytes) -> None:
        time.sleep(READ_S)
        self.total += int.from_bytes(item[:8], "little")


def answer(items: int) -> int:
    """Return the sum of the numbers."""
    return items * (items - 1) // 2
