# SPDX-License-Identifier: Apache-2.0
"""All pairs of stations in d4py: pair by pair, and by tiles of the matrix of pairs, so that a spectrum travels once a tile."""

from __future__ import annotations

from bench.workloads import pairs
from bench.workloads.marks import end, items

import d4py


class Total(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.delays = pairs.Delays()

    def _process(self, many: pairs.Array) -> None:
        self.delays.add(many)

    def postprocess(self) -> None:
        end(self.delays.total)


def configure(style: str = "tiles") -> d4py.WorkflowGraph:
    tiles = style == "tiles"
    source = d4py.producer(pairs.tiles if tiles else pairs.pairs)(number=items())
    correlate = d4py.iterative(pairs.traces if tiles else pairs.trace)()
    correlate.numprocesses = 2
    return source >> correlate >> Total()
