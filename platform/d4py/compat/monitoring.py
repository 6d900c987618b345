# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new.monitoring`: a stopwatch, and PEs that tell how long their calls take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

    from d4py.compat.core import GenericPE


class Timer:
    """Measures a `with` block; the seconds are in `secs`."""

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self.start = self.end = self.secs = 0.0

    def __enter__(self) -> Self:
        self.start = time.time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end = time.time()
        self.secs = self.end - self.start


class _Timed:
    times_total = 0.0
    times_count = 0

    def process(self, inputs: dict[str, Any]) -> Any:
        with Timer() as timer:
            result = super().process(inputs)  # type: ignore[misc]
        self.times_total += timer.secs
        self.times_count += 1
        return result

    def _postprocess(self) -> None:
        super()._postprocess()  # type: ignore[misc]
        if self.times_count:
            self.log(f"Average processing time: {self.times_total / self.times_count}")  # type: ignore[attr-defined]


def ProcessTimingPE(baseObject: GenericPE) -> GenericPE:
    """Let a PE log at the end how long its calls took on average, in seconds. Returns the PE."""
    kind = type(baseObject)
    baseObject.__class__ = type(kind.__name__, (_Timed, kind), {})
    return baseObject
