# SPDX-License-Identifier: Apache-2.0
"""Tasks of 50 ms in stream-d4py: on six processes, four of them work."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import kills
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for number in range(kills.tasks()):
            self.write("output", number)


class Work(IterativePE):
    def __init__(self) -> None:
        IterativePE.__init__(self)
        self.numprocesses = 4

    def _process(self, number: int) -> int:
        return kills.work(number)


class Collect(ConsumerPE):
    def _process(self, number: int) -> None:
        kills.got(number)


graph = WorkflowGraph()
first, second, third = Numbers(), Work(), Collect()
graph.connect(first, "output", second, "input")
graph.connect(second, "output", third, "input")
