# SPDX-License-Identifier: Apache-2.0
"""Words counted by key: the work, and a plain loop over it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from bench.workloads.marks import begin, end

VOCABULARY = 1000
WORDS_A_LINE = 100


def text(items: int) -> list[str]:
    """Return lines of words, the common ones first among equals, the same every time."""
    chosen = random.Random(1)
    words = [f"word{number}" for number in range(VOCABULARY)]
    drawn = chosen.choices(words, weights=[1 / (rank + 1) for rank in range(VOCABULARY)], k=items)
    return [" ".join(drawn[at : at + WORDS_A_LINE]) for at in range(0, items, WORDS_A_LINE)]


def lines(items: int) -> Iterator[str]:
    made = text(items)
    begin()
    yield from made


def split(line: str) -> Iterator[tuple[str, int]]:
    for word in line.split():
        yield word, 1


class Counts:
    """How often each word came."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def add(self, pair: tuple[str, int]) -> None:
        word, number = pair
        self.of[word] = self.of.get(word, 0) + number


def loop(items: int) -> None:
    """Split and count in a loop."""
    counts = Counts()
    for line in lines(items):
        for pair in split(line):
            counts.add(pair)
    end(counts.of)


def answer(items: int) -> dict[str, int]:
    """Return the count of each word, another way."""
    return dict(Counter(" ".join(text(items)).split()))
