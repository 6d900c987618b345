# SPDX-License-Identifier: Apache-2.0
"""Pairs of a key and an int, doubled by many workers at once."""

from __future__ import annotations

from collections.abc import Iterator

from bench.workloads.marks import begin

KEYS = 1000


def pairs(items: int) -> Iterator[tuple[int, int]]:
    begin()
    for number in range(items):
        yield number % KEYS, number


def doubled(pair: tuple[int, int]) -> int:
    return 2 * pair[1]


def answer(items: int) -> int:
    """Return the sum of 2 i."""
    return items * (items - 1)
