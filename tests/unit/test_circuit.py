# SPDX-License-Identifier: Apache-2.0
"""What happens between PEs of one cell: order, returns, several readers, retries, quarantine, failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import d4py


class Given(d4py.ProducerPE):
    def __init__(self, *values: Any) -> None:
        super().__init__()
        self.values = values

    def _process(self, inputs: Any) -> Iterator[Any]:
        yield from self.values


class Calls(d4py.IterativePE):
    """Does what a test says."""

    def __init__(self, function: Callable[[Calls, Any], Any], *, on_error: str = "fail") -> None:
        super().__init__()
        self.function = function
        self.on_error = on_error

    def _process(self, inputs: Any) -> Any:
        return self.function(self, inputs)


class Named(d4py.GenericPE):
    """Returns what a test says."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self._add_output("other")
        self.function = function

    def process(self, inputs: dict[str, Any]) -> Any:
        return self.function(inputs["input"])


def test_an_item_goes_through_the_whole_graph_before_the_next_leaves_the_source(lone: Any) -> None:
    order: list[tuple[str, int]] = []

    def noting(name: str) -> Callable[[Calls, int], int]:
        def note(_: Calls, value: int) -> int:
            order.append((name, value))
            return value

        return note

    lone.run(Given(1, 2) >> Calls(noting("first")) >> Calls(noting("second")))

    assert order == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_what_is_returned_goes_after_what_was_written(lone: Any, values: Any) -> None:
    def twice(pe: Calls, value: int) -> int:
        pe.write("output", value + 1)
        return value + 2

    assert values(lone.run(Given(10) >> Calls(twice))) == [11, 12]


@pytest.mark.parametrize("value", [0, "", [], False, 0.0])
def test_only_none_is_no_output(lone: Any, values: Any, value: Any) -> None:
    assert values(lone.run(Given(1) >> Calls(lambda *_: value))) == [value]
    assert values(lone.run(Given(1) >> Calls(lambda *_: None))) == []


def test_a_generator_gives_many_outputs(lone: Any, values: Any) -> None:
    @d4py.iterative
    def repeat(x: int) -> Iterator[int]:
        yield from [x] * x

    assert values(lone.run(Given(0, 1, 3) >> repeat())) == [1, 3, 3, 3]


def test_a_dictionary_names_the_outputs(lone: Any) -> None:
    link = lone.run(graph_of(Given(5), Named(lambda value: {"other": value, "output": -value})))

    assert [(name, value) for _, name, value in link.outputs.records] == [("other", 5), ("output", -5)]


def graph_of(source: d4py.GenericPE, reader: d4py.GenericPE) -> d4py.WorkflowGraph:
    graph = d4py.WorkflowGraph()
    graph.connect(source, "output", reader, "input")
    return graph


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (
            {"outptu": 1},
            "UnknownPort: PE 'Named' has no output 'outptu'; it has 'output', 'other'. Did you mean 'output'?",
        ),
        (7, "TypeError: process() returned int; it returns None or {output: value}"),
    ],
)
def test_a_result_that_names_no_output_fails_with_the_remedy(lone: Any, result: Any, error: str) -> None:
    link = lone.run(graph_of(Given(5), Named(lambda _: result)))

    assert [failure.error for failure in link.failures] == [error]


def test_a_write_to_an_unknown_output_fails_with_the_remedy(lone: Any) -> None:
    link = lone.run(Given(5) >> Calls(lambda pe, value: pe.write("result", value)))

    assert [failure.error for failure in link.failures] == [
        "UnknownPort: PE 'Calls' has no output 'result'; it has 'output'."
    ]


def test_a_failure_names_pe_instance_item_and_input_and_shows_the_users_lines(lone: Any) -> None:
    def inverse(_: Calls, value: int) -> float:
        return 1 / value

    [failure] = lone.run(Given(2, 1, 0) >> Calls(inverse)).failures

    assert (
        failure.title == "PE 'Calls', instance Calls, item 2 on 'input', input 0: ZeroDivisionError: division by zero"
    )
    assert "return 1 / value" in failure.traceback
    assert "d4py/engine" not in failure.traceback


def test_a_failure_downstream_is_told_once_and_of_the_pe_that_raised(lone: Any) -> None:
    def careless(pe: Calls, value: int) -> None:
        try:
            pe.write("output", value)
        except Exception:
            pe.write("output", -1)

    def fails(_: Calls, value: int) -> None:
        raise KeyError(value)

    second = Calls(fails)
    second.name = "second"
    link = lone.run(Given(1, 2) >> Calls(careless) >> second)

    assert [(failure.pe, failure.item) for failure in link.failures] == [("second", 0)]


@pytest.mark.parametrize("value", [[1, 2], {"a": [1]}, np.array([1, 2])], ids=["list", "dict", "array"])
def test_several_readers_each_have_their_own_value(lone: Any, value: Any) -> None:
    seen: list[Any] = []
    graph = d4py.WorkflowGraph()
    source = Given(value)
    for _ in range(3):
        graph.connect(source, "output", Calls(lambda _, got: seen.append(got)), "input")

    lone.run(graph)

    assert len({id(one) for one in seen}) == 3
    assert any(one is value for one in seen)
    assert [repr(one) for one in seen] == [repr(value)] * 3


def test_readers_that_promise_to_change_nothing_share_the_value(lone: Any) -> None:
    seen: list[Any] = []
    graph = d4py.WorkflowGraph()
    source = Given([1, 2])
    for _ in range(2):
        graph.connect(source, "output", Calls(lambda _, got: seen.append(got)), "input")

    lone.run(graph, readonly=frozenset({"Calls", "Calls2"}))

    assert seen[0] is seen[1]


def test_one_reader_gets_the_value_itself(lone: Any) -> None:
    value = [1]
    seen: list[Any] = []

    lone.run(Given(value) >> Calls(lambda _, got: seen.append(got)))

    assert seen[0] is value


def failing(times: int, tries: list[Any]) -> Callable[[Calls, list[int]], int]:
    def spoil_and_fail(pe: Calls, value: list[int]) -> int:
        tries.append(list(value))
        pe.write("output", "begun")
        value.append(99)
        if len(tries) <= times:
            raise OSError("not yet")
        return sum(value)

    return spoil_and_fail


def test_each_try_gets_the_item_as_it_came_and_writes_already_made_are_skipped(lone: Any, values: Any) -> None:
    tries: list[Any] = []
    link = lone.run(Given([1, 2]) >> Calls(failing(2, tries), on_error="retry:3@1"))

    assert tries == [[1, 2]] * 3
    assert values(link) == ["begun", 102]


def test_pauses_between_tries_double(lone: Any) -> None:
    link = lone.run(Given([1]) >> Calls(failing(3, []), on_error="retry:3@1"))

    assert [round(sum(1 for wait in link.waited if wait > limit)) for limit in (0.9, 1.9, 3.9)] == [3, 2, 1]


def test_quarantine_keeps_the_item_as_it_came_with_the_failure_of_the_last_try(lone: Any, values: Any) -> None:
    tries: list[Any] = []
    link = lone.run(Given([1, 2]) >> Calls(failing(9, tries), on_error="retry:1@1,quarantine"))

    [(rank, port, (value, failure))] = link.quarantine.records
    assert (rank, port, value, len(tries)) == (1, "input", [1, 2], 2)
    assert failure.error == "OSError: not yet"
    assert link.parts[-1].counts[1]["quarantined"] == {"": 1}
    assert values(link) == ["begun"]


def test_after_an_item_in_quarantine_the_next_one_writes_all_of_its_own(lone: Any, values: Any) -> None:
    tries: list[Any] = []
    link = lone.run(Given([1], [2]) >> Calls(failing(1, tries), on_error="quarantine"))

    assert values(link) == ["begun", "begun", 101]


def test_retries_end_in_failure_where_nothing_else_is_said(lone: Any) -> None:
    link = lone.run(Given([1]) >> Calls(failing(9, []), on_error="retry:2@1"))

    assert [failure.error for failure in link.failures] == ["OSError: not yet"]


def test_a_failure_downstream_of_a_patient_pe_is_not_retried_by_it(lone: Any) -> None:
    calls: list[int] = []

    def passing(_: Calls, value: int) -> int:
        calls.append(value)
        return value

    def fails(_: Calls, value: int) -> None:
        raise KeyError(value)

    link = lone.run(Given(1) >> Calls(passing, on_error="retry:5,quarantine") >> Calls(fails))

    assert (calls, [failure.pe for failure in link.failures]) == ([1], ["Calls2"])


def test_a_pe_that_exits_python_fails_the_run(lone: Any) -> None:
    def leaves(_: Calls, value: int) -> None:
        raise SystemExit(0)

    assert [failure.error for failure in lone.run(Given(1) >> Calls(leaves)).failures] == ["SystemExit: 0"]


def test_preprocess_and_postprocess_write_before_and_after_the_stream(lone: Any, values: Any) -> None:
    class Framed(d4py.IterativePE):
        def preprocess(self) -> None:
            self.write("output", "begin")

        def _process(self, inputs: Any) -> Any:
            return inputs

        def postprocess(self) -> None:
            self.write("output", "end")

    echo = Calls(lambda _, value: value)

    assert values(lone.run(Given(1) >> Framed() >> echo)) == ["begin", 1, "end"]


def test_counts_are_kept_per_port(lone: Any) -> None:
    link = lone.run(graph_of(Given(1, 2, 3), Named(lambda value: {"other": value} if value > 1 else None)))

    assert link.parts[-1].counts[1] == {
        "read": {"input": 3},
        "written": {"output": 0, "other": 2},
        "given": {"input": 0},
        "quarantined": {"": 0},
    }


def test_a_state_that_cannot_be_pickled_is_told_at_the_start_with_attribute_and_remedy(lone: Any, values: Any) -> None:
    pe = Calls(lambda _, value: value)
    link = lone.run(Given(1) >> pe)

    assert values(link) == [1]
    assert len(link.reasons) == 1
    assert link.reasons[0].startswith("PE 'Calls': attribute 'function' cannot be pickled")
    assert "pickleIgnore = ['function']" in link.reasons[0]


def test_log_lines_go_to_the_instance(lone: Any) -> None:
    link = lone.run(Given(7) >> Calls(lambda pe, value: pe.log(f"saw {value}")))

    assert link.logged == [(1, "saw 7")]
