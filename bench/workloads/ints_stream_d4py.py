# SPDX-License-Identifier: Apache-2.0
"""Ints through four trivial PEs, in stream-d4py."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import ints
from bench.workloads.marks import end, items
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for value in ints.numbers(items()):
            self.write("output", value)


class Double(IterativePE):
    def _process(self, value: int) -> int:
        return ints.double(value)


class Increment(IterativePE):
    def _process(self, value: int) -> int:
        return ints.increment(value)


class Total(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.total = 0

    def _process(self, value: int) -> None:
        self.total += value

    def postprocess(self) -> None:
        end(self.total)


graph = WorkflowGraph()
first, second, third, fourth = Numbers(), Double(), Increment(), Total()
graph.connect(first, "output", second, "input")
graph.connect(second, "output", third, "input")
graph.connect(third, "output", fourth, "input")
