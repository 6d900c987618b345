# SPDX-License-Identifier: Apache-2.0
"""Arrays from one PE to another, in stream-d4py."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import arrays
from bench.workloads.marks import end, items
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Arrays(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for array in arrays.arrays(items()):
            self.write("output", array)


class Total(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.sum = arrays.Sum()

    def _process(self, array: arrays.Array) -> None:
        self.sum.add(array)

    def postprocess(self) -> None:
        end(self.sum.total)


graph = WorkflowGraph()
first, second = Arrays(), Total()
graph.connect(first, "output", second, "input")
