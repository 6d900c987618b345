# SPDX-License-Identifier: Apache-2.0
"""Arrays from one PE to another, in d4py: the short form, classes with write(), and arrays computed in shared memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from bench.workloads import arrays
from bench.workloads.marks import end, items

import d4py


class Total(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.sum = arrays.Sum()

    def _process(self, array: arrays.Array) -> None:
        self.sum.add(array)

    def postprocess(self) -> None:
        end(self.sum.total)


class Arrays(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for array in arrays.arrays(items()):
            self.write("output", array)


class InPlace(Arrays):
    def process(self, inputs: dict[str, Any]) -> None:
        for array in arrays.filled(items(), getattr(self, "empty", np.empty)):
            self.write("output", array)


def configure(style: str = "functions") -> d4py.WorkflowGraph:
    if style == "functions":
        return d4py.producer(arrays.arrays)(items=items()) >> Total()
    return (InPlace() if style == "in place" else Arrays()) >> Total()
