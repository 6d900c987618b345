# SPDX-License-Identifier: Apache-2.0
"""All pairs of stations in stream-d4py, in the shape of its own workflow: one PE sends both spectra of each pair."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import pairs
from bench.workloads.marks import end, items
from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Pairs(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for pair in pairs.pairs(items()):
            self.write("output", pair)


class Correlate(IterativePE):
    def _process(self, pair: tuple[pairs.Array, pairs.Array]) -> pairs.Array:
        return pairs.trace(pair)


class Total(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.delays = pairs.Delays()

    def _process(self, many: pairs.Array) -> None:
        self.delays.add(many)

    def postprocess(self) -> None:
        end(self.delays.total)


graph = WorkflowGraph()
first, second, third = Pairs(), Correlate(), Total()
second.numprocesses = 2
graph.connect(first, "output", second, "input")
graph.connect(second, "output", third, "input")
