# SPDX-License-Identifier: Apache-2.0
"""Words counted by key, in Bytewax, with the source's batches that its user chose."""

# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from operator import itemgetter

import bytewax.operators as op
from bench.workloads import words
from bench.workloads.marks import end, items
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource


class Counts(StatelessSinkPartition):
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def write_batch(self, items: list[tuple[str, int]]) -> None:
        self.counts.update(items)

    def close(self) -> None:
        end(self.counts)


class AllCounts(DynamicSink):
    def build(self, _step: str, _index: int, _count: int) -> Counts:
        return Counts()


def batches(size: int) -> Dataflow:
    """Return the flow. size: lines that the source hands over at once."""
    flow = Dataflow("words")
    lines = op.input("lines", flow, TestingSource(words.lines(items()), size))
    pairs = op.flat_map("split", lines, words.split)
    op.output("counts", op.count_final("count", pairs, itemgetter(0)), AllCounts())
    return flow
