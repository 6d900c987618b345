# SPDX-License-Identifier: Apache-2.0
"""A run that has failed ends also where a PE catches everything that a write may raise."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

import d4py
from d4py.engine.failure import Unwind
from d4py.engine.refusal import Refusal


class Deaf(d4py.ProducerPE):
    """Writes for ever, whatever a write raises."""

    def _process(self, inputs: Any) -> None:
        number = 0
        while True:
            try:  # noqa: SIM105 - what users write
                self.write("output", number)
            except:  # noqa: E722 - the very thing that is tested
                pass
            number += 1


class Patient(d4py.IterativePE):
    """Hears of a failure behind it, and returns as if nothing were."""

    def _process(self, value: int) -> None:
        try:  # noqa: SIM105
            self.write("output", value)
        except:  # noqa: E722
            pass


@d4py.consumer
def third_is_bad(value: int) -> None:
    if value == 3:
        raise ValueError("three")


@d4py.producer
def numbers(n: int = 100_000) -> Any:
    yield from range(n)


@pytest.mark.parametrize("mapping", ["simple", "threads"])
@pytest.mark.parametrize("source", [Deaf, lambda: numbers() >> Patient()], ids=["source", "pe"])
def test_a_bare_except_does_not_keep_a_failed_run_going(mapping: str, source: Any) -> None:
    result = d4py.run(source() >> third_is_bad(), mapping, processes=2, check=False)

    assert result.exit_code == 3
    assert "ValueError: three" in result.error
    assert sys.gettrace() is None or "refusal" not in repr(sys.gettrace())
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("cell-")]


def test_a_caught_refusal_is_raised_again_at_the_next_line() -> None:
    refusal, reached = Refusal(Unwind()), []

    def deaf() -> None:
        for number in range(5):
            try:
                refusal.write(number)
            except:  # noqa: E722
                reached.append(number)

    before = sys.gettrace()
    try:
        with pytest.raises(Unwind):
            deaf()
    finally:
        sys.settrace(before)

    assert reached == [0]
