# SPDX-License-Identifier: Apache-2.0
"""A writer and a reader a thousand times slower, in d4py."""

from __future__ import annotations

from typing import Any

from bench.workloads import flood
from bench.workloads.marks import end, items

import d4py


class Slow(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.reader = flood.Reader()

    def _process(self, item: bytes) -> None:
        self.reader.add(item)

    def postprocess(self) -> None:
        end(self.reader.total)


class Floods(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for item in flood.floods(items()):
            self.write("output", item)


def configure(style: str = "functions") -> d4py.WorkflowGraph:
    return (Floods() if style == "classes" else d4py.producer(flood.floods)(items=items())) >> Slow()
