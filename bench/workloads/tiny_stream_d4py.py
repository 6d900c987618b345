# SPDX-License-Identifier: Apache-2.0
"""Two PEs and one int, in stream-d4py: the first result is the end."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from typing import Any

from bench.workloads.marks import end
from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class One(ProducerPE):
    def _process(self, inputs: Any) -> int:
        return 1


class Show(ConsumerPE):
    def _process(self, value: int) -> None:
        end(value)


graph = WorkflowGraph()
first, second = One(), Show()
graph.connect(first, "output", second, "input")
