# SPDX-License-Identifier: Apache-2.0
"""Tasks of about 5 ms on some workers, in d4py: the short form, and classes with write()."""

from __future__ import annotations

from typing import Any

from bench.workloads import tasks
from bench.workloads.marks import end, items

import d4py


class Total(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.sum = tasks.Sum()

    def _process(self, done: tasks.Done) -> None:
        self.sum.add(done)

    def postprocess(self) -> None:
        end(self.sum.total, cpu=self.sum.cpu)


class Numbers(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for number in tasks.numbers(items()):
            self.write("output", number)


class Work(d4py.GenericPE):
    stateless = True

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        self.write("output", tasks.work(inputs["input"]))


def configure(style: str = "functions", workers: int = 2) -> d4py.WorkflowGraph:
    work = Work() if style == "classes" else d4py.iterative(tasks.work)()
    work.numprocesses = workers
    return (Numbers() if style == "classes" else d4py.producer(tasks.numbers)(items=items())) >> work >> Total()
