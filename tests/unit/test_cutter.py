# SPDX-License-Identifier: Apache-2.0
"""When written values leave their writer, and what happens to one that cannot."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py.items.copying import sized, sized_all

BURST = 300


@pytest.mark.parametrize("kind", ["generator", "write"])
def test_the_tail_of_a_burst_does_not_wait_for_what_comes_next(kind: str) -> None:
    arrived = threading.Event()

    class Sensor(d4py.ProducerPE):
        stateless = True

        def _process(self, inputs: Any) -> Any:
            return self.burst() if kind == "generator" else self.written()

        def burst(self) -> Any:
            yield from range(BURST)
            assert arrived.wait(20), "the burst is still here"
            yield BURST

        def written(self) -> int:
            for number in range(BURST):
                self.write("output", number)
            assert arrived.wait(20), "the burst is still here"
            return BURST

    @d4py.consumer
    def last(value: int) -> None:
        if value == BURST - 1:
            arrived.set()

    result = d4py.run(Sensor() >> last(), "threads", processes=2)

    assert result.exit_code == 0
    assert result.counts["last"]["read"] == BURST + 1


def test_what_a_stage_wrote_does_not_wait_for_the_end_of_its_call() -> None:
    arrived = threading.Event()

    class Stage(d4py.GenericPE):
        def __init__(self) -> None:
            super().__init__()
            self._add_input("input")
            self._add_output("output")

        def process(self, inputs: dict[str, Any]) -> None:
            for number in range(BURST):
                self.write("output", number)
            assert arrived.wait(20), "what was written is still here"

    @d4py.producer
    def once() -> Any:
        yield 0

    @d4py.consumer
    def last(value: int) -> None:
        if value == BURST - 1:
            arrived.set()

    result = d4py.run(once() >> Stage() >> last(), "threads", processes=3)

    assert result.exit_code == 0


WORKFLOW = """
import d4py

@d4py.producer
def numbers():
    yield from range(2000)

class Odd(d4py.IterativePE):
    on_error = POLICY
    def _process(self, value):
        return (lambda: 0) if value == 777 else value

@d4py.iterative
def whole(value):
    return value

workflow = numbers() >> Odd() >> whole()
"""


@pytest.fixture
def odd(tmp_path: Path) -> Any:
    def draw(policy: str) -> str:
        path = tmp_path / "odd.py"
        path.write_text(WORKFLOW.replace("POLICY", repr(policy)))
        return str(path)

    return draw


def test_a_value_that_cannot_be_sent_fails_the_run_in_the_name_of_its_writer(odd: Any) -> None:
    result = d4py.run(odd("fail"), "multi", processes=3, check=False)

    assert result.exit_code == 3
    assert result.error.startswith(
        "PE 'Odd', instance Odd, what it wrote on 'output': NotPicklable: A value of type function"
    )
    assert not result.warnings


def test_a_value_that_cannot_be_sent_goes_by_the_policy_of_its_writer(odd: Any) -> None:
    result = d4py.run(odd("quarantine"), "multi", processes=3, check=False)

    assert result.exit_code == 4
    assert sorted(result.outputs.values()) == [value for value in range(2000) if value != 777]
    assert result.counts["Odd"]["quarantined"] == 1


def test_what_an_object_holds_is_weighed_with_it() -> None:
    import numpy as np

    class Trace:
        def __init__(self) -> None:
            self.data = np.zeros(100_000)

    assert 800_000 <= sized(Trace()) < 900_000
    assert 800_000 <= sized({"station": "UV05", "data": Trace()}) < 900_000
    assert 80_000_000 <= sized_all([(1, Trace()) for _ in range(100)]) < 90_000_000
    assert sized_all(list(range(512))) < 50_000


@pytest.mark.parametrize("mapping", ["simple", "threads"])
def test_an_output_that_cannot_be_kept_fails_the_run_in_the_name_of_its_writer(mapping: str) -> None:
    class Two(d4py.GenericPE):
        def __init__(self) -> None:
            super().__init__()
            self._add_input("input")
            self._add_output("good")
            self._add_output("bad")

        def process(self, inputs: dict[str, Any]) -> None:
            if inputs["input"] == 3:
                self.write("bad", threading.Lock())
            self.write("good", inputs["input"])

    @d4py.producer
    def numbers() -> Any:
        yield from range(20)

    result = d4py.run(numbers() >> Two(), mapping, processes=2, check=False)

    assert result.exit_code == 3
    assert result.error.startswith(
        "PE 'Two', instance Two, what it wrote on 'bad': NotPicklable: A value cannot be kept"
    )
