# SPDX-License-Identifier: Apache-2.0
"""A writer and a reader a thousand times slower, in stream-d4py."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import flood
from bench.workloads.marks import end, items
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Floods(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for item in flood.floods(items()):
            self.write("output", item)


class Slow(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.reader = flood.Reader()

    def _process(self, item: bytes) -> None:
        self.reader.add(item)

    def postprocess(self) -> None:
        end(self.reader.total)


graph = WorkflowGraph()
first, second = Floods(), Slow()
graph.connect(first, "output", second, "input")
