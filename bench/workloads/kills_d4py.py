# SPDX-License-Identifier: Apache-2.0
"""Tasks of 50 ms in d4py: on six processes, four of them work. What was committed is read from the run's outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.workloads import kills

import d4py


@d4py.producer
def numbers() -> Iterator[int]:
    yield from range(kills.tasks())


@d4py.iterative
def work(number: int) -> int:
    return kills.work(number)


class Collect(d4py.GenericPE):
    """One instance, that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        kills.got(inputs["input"])
        return {"output": inputs["input"]}


workflow = numbers() >> work() >> Collect()
