# SPDX-License-Identifier: Apache-2.0
"""Pairs through many instances of one trivial PE, in d4py. Each has a process of its own, and tells its CPU time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.workloads import many
from bench.workloads.marks import end, items, spent

import d4py


class Numbers(d4py.ProducerPE):
    def _process(self, inputs: object) -> Iterator[tuple[int, int]]:
        return many.pairs(items())

    def preprocess(self) -> None:
        self.began = time.process_time()

    def postprocess(self) -> None:
        spent(time.process_time() - self.began)


class Double(d4py.IterativePE):
    stateless = True

    def preprocess(self) -> None:
        self.began = time.process_time()

    def _process(self, pair: tuple[int, int]) -> int:
        return many.doubled(pair)

    def postprocess(self) -> None:
        spent(time.process_time() - self.began)


class Total(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def preprocess(self) -> None:
        self.began = time.process_time()

    def _process(self, value: int) -> None:
        self.total += value

    def postprocess(self) -> None:
        end(self.total, cpu=time.process_time() - self.began)


def configure(instances: int = 8, style: str = "shuffled") -> d4py.WorkflowGraph:
    double = Double()
    double.numprocesses = instances
    double._add_input("input", grouping=[0] if style == "keyed" else None)
    return Numbers() >> double >> Total()
