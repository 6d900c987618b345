# SPDX-License-Identifier: Apache-2.0
"""Tasks of about 5 ms on two workers, in Bytewax."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import bytewax.operators as op
from bench.workloads import tasks
from bench.workloads.marks import end, items
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource


class Total(StatelessSinkPartition):
    def __init__(self) -> None:
        self.sum = tasks.Sum()

    def write_batch(self, items: list[tasks.Done]) -> None:
        for done in items:
            self.sum.add(done)

    def close(self) -> None:
        end(self.sum.total, cpu=self.sum.cpu)


class Totals(DynamicSink):
    def build(self, _step: str, _index: int, _count: int) -> Total:
        return Total()


def batches(size: int) -> Dataflow:
    """Return the flow. size: tasks that the source hands over at once."""
    flow = Dataflow("tasks")
    numbers = op.input("numbers", flow, TestingSource(tasks.numbers(items()), size))
    op.output("total", op.map("work", op.redistribute("share", numbers), tasks.work), Totals())
    return flow
