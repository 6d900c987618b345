# SPDX-License-Identifier: Apache-2.0
"""Chains: the generated loop gives what the general way gives, counts as it does, and names the same PE and item when one raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import d4py
from d4py.engine.circuit import Circuit

MAPPINGS = ["simple", "threads"]


@d4py.producer
def numbers(n: int = 10) -> Iterator[int]:
    yield from range(n)


@d4py.iterative
def plus(x: int, by: int = 1) -> int:
    return x + by


@d4py.iterative
def odd(x: int) -> int | None:
    return x if x % 2 else None


@d4py.iterative
def twice(x: int) -> Iterator[int]:
    yield x
    yield -x


@d4py.iterative
def picky(x: int, bad: int = 7) -> int:
    if x == bad:
        raise ValueError(f"not {bad}")
    return x


class Sum(d4py.ConsumerPE):
    """A sink with a total."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("total")
        self.total = 0

    def _process(self, data: int) -> None:
        self.total += data

    def postprocess(self) -> None:
        self.write("total", self.total)


class Both(d4py.IterativePE):
    """Returns and writes."""

    def _process(self, data: int) -> int:
        self.write("output", 100 + data)
        return data


def outcome(graph: d4py.WorkflowGraph, mapping: str, **options: Any) -> tuple[Any, ...]:
    result = d4py.run(graph, mapping, processes=1, check=False, **options)
    return result.exit_code, result.outputs.values(), result.counts, result.error.replace("[0]", "")


@pytest.fixture
def without_chains(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def switch_off() -> None:
        monkeypatch.setattr(Circuit, "chain", lambda *_: None)
        monkeypatch.setattr(Circuit, "chain_after", lambda *_: None)

    return switch_off


DRAWN = [
    lambda: numbers(n=20) >> plus() >> plus(by=3),
    lambda: numbers(n=20) >> odd() >> plus(),
    lambda: numbers(n=20) >> plus() >> odd() >> twice() >> plus(),
    lambda: numbers(n=20) >> twice() >> twice() >> Sum(),
    lambda: numbers(n=20) >> Both() >> odd() >> Both() >> Sum(),
    lambda: numbers(n=20) >> plus() >> picky() >> plus(),
    lambda: numbers(n=20) >> odd() >> picky(),
    lambda: numbers(n=0) >> plus() >> Sum(),
    lambda: numbers(n=1_000) >> plus() >> Sum(),
]


@pytest.mark.parametrize("draw", DRAWN, ids=range(len(DRAWN)))
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_chain_gives_and_counts_what_the_general_way_does(
    mapping: str, draw: Callable[[], d4py.WorkflowGraph], without_chains: Callable[[], None]
) -> None:
    fast = outcome(draw(), mapping)
    without_chains()

    assert fast == outcome(draw(), mapping)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([plus, odd, twice]), min_size=1, max_size=6))
def test_any_chain_of_functions_gives_what_calling_them_by_hand_gives(factories: list[Any]) -> None:
    graph = numbers(n=7)
    expected = list(range(7))
    for factory in factories:
        graph = graph >> factory()
        expected = [value for item in expected for value in by_hand(factory, item)]

    assert d4py.run(graph).outputs.values() == expected


def by_hand(factory: Any, item: int) -> list[int]:
    result = factory.function(item)
    return list(result) if isinstance(result, Iterator) else [] if result is None else [result]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_an_error_in_a_chain_names_its_stage_and_the_stages_own_item_number(mapping: str) -> None:
    code, _, _, error = outcome(numbers(n=20) >> odd() >> picky() >> plus(), mapping)

    assert code == 3
    assert error == "PE 'picky', instance picky, item 3 on 'input', input 7: ValueError: not 7"


def test_an_error_of_the_source_is_not_blamed_on_what_follows() -> None:
    @d4py.producer
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    code, values, _, error = outcome(broken() >> plus(), "simple")

    assert (code, values) == (3, [])
    assert error == "PE 'broken', instance broken, call 0: OSError: gone"


def test_a_retried_source_in_front_of_a_chain_skips_what_was_sent() -> None:
    tries = iter((True, False))

    @d4py.producer
    def shaky() -> Iterator[int]:
        yield from range(5)
        if next(tries):
            raise OSError("once")
        yield 5

    code, values, _, _ = outcome(shaky() >> plus(), "simple", on_error={"shaky": "retry:1@0.001"})

    assert (code, values) == (0, [1, 2, 3, 4, 5, 6])


def test_a_source_whose_later_try_fails_earlier_still_skips_all_that_was_sent() -> None:
    fails_after = iter((5, 2, 99))

    @d4py.producer
    def shaky() -> Iterator[int]:
        end = next(fails_after)
        for number in range(8):
            if number == end:
                raise OSError("once more")
            yield number

    code, values, _, _ = outcome(shaky() >> plus(), "simple", on_error={"shaky": "retry:3@0.001"})

    assert (code, values) == (0, [1, 2, 3, 4, 5, 6, 7, 8])


def test_a_chain_of_a_thousand_functions_runs() -> None:
    graph = numbers(n=3) >> plus()
    for _ in range(999):
        graph = graph >> plus()

    assert d4py.run(graph).outputs.values() == [1_000, 1_001, 1_002]
