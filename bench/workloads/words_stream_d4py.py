# SPDX-License-Identifier: Apache-2.0
"""Words counted by key, in stream-d4py."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import words
from bench.workloads.marks import end, items
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Lines(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for line in words.lines(items()):
            self.write("output", line)


class Split(IterativePE):
    def _process(self, line: str) -> None:
        for pair in words.split(line):
            self.write("output", pair)


class Count(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self._add_input("input", grouping=[0])
        self.numprocesses = 2
        self.counts: dict[str, int] = {}

    def _process(self, pair: tuple[str, int]) -> None:
        word, number = pair
        self.counts[word] = self.counts.get(word, 0) + number

    def postprocess(self) -> None:
        end(self.counts)


graph = WorkflowGraph()
first, second, third = Lines(), Split(), Count()
graph.connect(first, "output", second, "input")
graph.connect(second, "output", third, "input")
