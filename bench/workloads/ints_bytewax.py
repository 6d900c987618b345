# SPDX-License-Identifier: Apache-2.0
"""Ints through four trivial steps, in Bytewax, with the source's batches that its user chose."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import bytewax.operators as op
from bench.workloads import ints
from bench.workloads.marks import end, items
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource


class Total(StatelessSinkPartition):
    def __init__(self) -> None:
        self.sum = ints.Sum()

    def write_batch(self, items: list[int]) -> None:
        for value in items:
            self.sum.add(value)

    def close(self) -> None:
        end(self.sum.total)


class Totals(DynamicSink):
    def build(self, _step: str, _index: int, _count: int) -> Total:
        return Total()


def batches(size: int) -> Dataflow:
    """Return the flow. size: items that the source hands over at once."""
    flow = Dataflow("ints")
    numbers = op.input("numbers", flow, TestingSource(ints.numbers(items()), size))
    double = op.map("double", numbers, ints.double)
    op.output("total", op.map("increment", double, ints.increment), Totals())
    return flow
