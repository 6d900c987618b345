# SPDX-License-Identifier: Apache-2.0
"""Arrays made in one process and summed in two, in Bytewax: about half of them travel."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import bytewax.operators as op
from bench.workloads import arrays
from bench.workloads.marks import end, items
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource


class Total(StatelessSinkPartition):
    def __init__(self) -> None:
        self.sum = arrays.Sum()

    def write_batch(self, items: list[arrays.Array]) -> None:
        for array in items:
            self.sum.add(array)

    def close(self) -> None:
        end(self.sum.total)


class Totals(DynamicSink):
    def build(self, _step: str, _index: int, _count: int) -> Total:
        return Total()


def batches(size: int) -> Dataflow:
    """Return the flow. size: arrays that the source hands over at once."""
    flow = Dataflow("arrays")
    made = op.input("arrays", flow, TestingSource(arrays.arrays(items()), size))
    op.output("total", op.redistribute("share", made), Totals())
    return flow
