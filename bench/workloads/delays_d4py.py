# SPDX-License-Identifier: Apache-2.0
"""Stamps from one PE to another, in d4py: the short form, and classes with write()."""

from __future__ import annotations

from typing import Any

from bench.workloads import delays
from bench.workloads.marks import items

import d4py


class Ages(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self.ages = delays.Ages()

    def _process(self, stamp: float) -> None:
        self.ages.add(stamp)

    def postprocess(self) -> None:
        self.ages.tell()


class Stamps(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> None:
        for stamp in delays.stamps(items()):
            self.write("output", stamp)


def configure(style: str = "functions") -> d4py.WorkflowGraph:
    return (Stamps() if style == "classes" else d4py.producer(delays.stamps)(items=items())) >> Ages()
