# SPDX-License-Identifier: Apache-2.0
"""Ints through four trivial PEs, in d4py: the short form, and classes with write()."""

from __future__ import annotations

from typing import Any

from bench.workloads import ints
from bench.workloads.marks import end, items

import d4py


class Total(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def _process(self, value: int) -> None:
        self.total += value

    def postprocess(self) -> None:
        end(self.total)


class Numbers(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for value in ints.numbers(items()):
            self.write("output", value)


class Step(d4py.GenericPE):
    stateless = True

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")


class Double(Step):
    def process(self, inputs: dict[str, Any]) -> None:
        self.write("output", ints.double(inputs["input"]))


class Increment(Step):
    def process(self, inputs: dict[str, Any]) -> None:
        self.write("output", ints.increment(inputs["input"]))


def configure(style: str = "functions") -> d4py.WorkflowGraph:
    if style == "classes":
        return Numbers() >> Double() >> Increment() >> Total()
    numbers, double, increment = (
        d4py.producer(ints.numbers),
        d4py.iterative(ints.double),
        d4py.iterative(ints.increment),
    )
    return numbers(items=items()) >> double() >> increment() >> Total()
