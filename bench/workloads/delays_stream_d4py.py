# SPDX-License-Identifier: Apache-2.0
"""Stamps from one PE to another, in stream-d4py."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads import delays
from bench.workloads.marks import items
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Stamps(ProducerPE):
    def _process(self, inputs: Any) -> None:
        for stamp in delays.stamps(items()):
            self.write("output", stamp)


class Ages(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.ages = delays.Ages()

    def _process(self, stamp: float) -> None:
        self.ages.add(stamp)

    def postprocess(self) -> None:
        self.ages.tell()


graph = WorkflowGraph()
first, second = Stamps(), Ages()
graph.connect(first, "output", second, "input")
