# SPDX-License-Identifier: Apache-2.0
"""Words counted by key, in d4py: the short form, classes with write(), and a count that may be merged."""

from __future__ import annotations

from typing import Any

from bench.workloads import words
from bench.workloads.marks import end, items

import d4py


class Count(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__(numprocesses=2)
        self._add_input("input", grouping=[0])
        self.counts: dict[str, int] = {}

    def _process(self, pair: tuple[str, int]) -> None:
        word, number = pair
        self.counts[word] = self.counts.get(word, 0) + number

    def postprocess(self) -> None:
        end(self.counts)


class MergedCount(Count):
    """Any instance may count any word: the counts are added up at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")

    def merge(self, other: MergedCount) -> None:
        for pair in other.counts.items():
            self._process(pair)


class Lines(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for line in words.lines(items()):
            self.write("output", line)


class Split(d4py.GenericPE):
    stateless = True

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for pair in words.split(inputs["input"]):
            self.write("output", pair)


def configure(style: str = "functions") -> d4py.WorkflowGraph:
    if style == "classes":
        return Lines() >> Split() >> Count()
    lines, split = d4py.producer(words.lines), d4py.iterative(words.split)
    return lines(items=items()) >> split() >> (MergedCount() if style == "merge" else Count())
