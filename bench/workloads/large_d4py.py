# SPDX-License-Identifier: Apache-2.0
"""Graphs of many PEs, for planning: a chain, one writer with many readers, and layers in which each PE has three readers."""

from __future__ import annotations

from itertools import pairwise

import d4py

WIDTH = 25  # of a layer
FAN = 3


def double(value: int) -> int:
    return 2 * value


def configure(pes: int = 1000, style: str = "chain") -> d4py.WorkflowGraph:
    graph = d4py.WorkflowGraph()
    source, step = d4py.producer(double)(value=1), d4py.iterative(double)
    steps = [step() for _ in range(pes - 1)]
    before: list[tuple[d4py.GenericPE, d4py.GenericPE]]
    if style == "chain":
        before = list(zip([source, *steps], steps, strict=False))
    elif style == "fan":
        before = [(source, reader) for reader in steps]
    else:
        layers = [[source], *(steps[at : at + WIDTH] for at in range(0, len(steps), WIDTH))]
        before = [
            (writers[(number + turn) % len(writers)], reader)
            for writers, readers in pairwise(layers)
            for number, reader in enumerate(readers)
            for turn in range(min(FAN, len(writers)))
        ]
    for writer, reader in before:
        graph.connect(writer, "output", reader, "input")
    return graph
