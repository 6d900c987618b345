# SPDX-License-Identifier: Apache-2.0
"""Two steps and one int, in Bytewax: the first result is the end."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import bytewax.operators as op
from bench.workloads.marks import end
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource


class Show(StatelessSinkPartition):
    def write_batch(self, items: list[int]) -> None:
        for value in items:
            end(value)


class Shows(DynamicSink):
    def build(self, _step: str, _index: int, _count: int) -> Show:
        return Show()


def batches(size: int) -> Dataflow:
    """Return the flow."""
    flow = Dataflow("tiny")
    op.output("show", op.input("one", flow, TestingSource([1], size)), Shows())
    return flow
