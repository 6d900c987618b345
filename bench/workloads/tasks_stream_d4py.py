# SPDX-License-Identifier: Apache-2.0
"""Tasks of about 5 ms on two workers, in stream-d4py."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import tasks
from bench.workloads.marks import end, items
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Numbers(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for number in tasks.numbers(items()):
            self.write("output", number)


class Work(IterativePE):
    def __init__(self) -> None:
        IterativePE.__init__(self)
        self.numprocesses = 2

    def _process(self, number: int) -> tasks.Done:
        return tasks.work(number)


class Total(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.sum = tasks.Sum()

    def _process(self, done: tasks.Done) -> None:
        self.sum.add(done)

    def postprocess(self) -> None:
        end(self.sum.total, cpu=self.sum.cpu)


graph = WorkflowGraph()
first, second, third = Numbers(), Work(), Total()
graph.connect(first, "output", second, "input")
graph.connect(second, "output", third, "input")
