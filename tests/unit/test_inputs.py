# SPDX-License-Identifier: Apache-2.0
"""Input data of a run, and policies as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py.errors import GraphError, InputError
from d4py.graph.inputs import parse, read, resolve
from d4py.graph.policy import Policy


class Adder(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_input("left")
        self._add_input("right")
        self._add_output("output")


@pytest.fixture
def graph() -> d4py.WorkflowGraph:
    drawn = d4py.WorkflowGraph()
    source = d4py.ProducerPE()
    drawn.connect(source, "output", Adder(), "left")
    drawn.connect(d4py.ProducerPE(), "output", Adder(), "right")
    return drawn.flatten()


def test_every_root_is_called_once_where_nothing_is_said(graph: d4py.WorkflowGraph) -> None:
    assert resolve(graph, None) == {"ProducerPE": 1, "ProducerPE2": 1}


def test_a_number_is_the_iterations_of_every_root(graph: d4py.WorkflowGraph) -> None:
    assert resolve(graph, 5) == {"ProducerPE": 5, "ProducerPE2": 5}


def test_data_is_given_by_id_or_name_and_other_roots_are_called_once(graph: d4py.WorkflowGraph) -> None:
    assert resolve(graph, {"ProducerPE2": 3, "Adder2": [{"left": 1}]}) == {
        "ProducerPE": 1,
        "ProducerPE2": 3,
        "Adder2": [{"left": 1}],
    }


def test_data_may_be_given_by_the_pe_itself(graph: d4py.WorkflowGraph) -> None:
    assert resolve(graph, {graph.pes[0]: 4})["ProducerPE"] == 4


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (-1, "The number of iterations is -1. Give -i a whole number of at least 0."),
        (
            {"Addr": 1},
            "There is no PE 'Addr' to give input to; there is 'ProducerPE', 'Adder', 'ProducerPE2', 'Adder2'. Did you mean 'Adder'?",
        ),
        ({"Adder2": 3}, "PE 'Adder2' is fed by another PE, so it has no iterations. Give it a list of inputs."),
        (
            {"Adder2": "x"},
            "The input of PE 'Adder2' is 'x'. Give a list of {input: value} objects, or a number of iterations.",
        ),
        ({"Adder2": [7]}, "Input 0 of PE 'Adder2' is 7. Give an object {input: value}."),
        ({"Adder2": [{"lift": 7}]}, "PE 'Adder2' has no input 'lift'; it has 'left', 'right'. Did you mean 'left'?"),
    ],
)
def test_data_that_fits_nothing_is_told_with_the_remedy(graph: d4py.WorkflowGraph, inputs: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        resolve(graph, inputs)

    assert str(raised.value) == message


def test_a_name_that_fits_two_pes_is_told() -> None:
    graph = d4py.WorkflowGraph()
    for identity in ("one", "two"):
        pe = d4py.ProducerPE()
        pe.id, pe.name = identity, "reader"
        graph.add(pe)

    with pytest.raises(InputError, match=r"The name 'reader' fits 2 PEs: 'one', 'two'. Name one by its id."):
        resolve(graph, {"reader": 1})


def test_bad_json_is_told_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"-d is not JSON: Expecting value at line 1, column 8"):
        parse('{"PE": }', where="-d")
    with pytest.raises(InputError, match="-d is list, not an object"):
        parse("[]", where="-d")
    with pytest.raises(InputError, match=r"The input file .* cannot be read: No such file or directory"):
        read(str(tmp_path / "absent.json"))
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        read(str(tmp_path / "latin.json"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fail", Policy()),
        ("retry:3", Policy(retries=3)),
        ("retry:2@0.5", Policy(retries=2, backoff=0.5)),
        ("quarantine", Policy(quarantine=True)),
        ("retry:3, quarantine", Policy(retries=3, quarantine=True)),
        (Policy(retries=1), Policy(retries=1)),
    ],
)
def test_a_policy_is_read(text: object, expected: Policy) -> None:
    assert Policy.parse(text, of="PE 'x'") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "retry",
        "retry:-1",
        "retry:1.5",
        "retry:2@x",
        "quarantine:3",
        "ignore",
        "retry:²",
        "retry:2@-1",
        "retry:2@nan",
    ],
)
def test_a_policy_that_means_nothing_is_told(text: str) -> None:
    with pytest.raises(
        GraphError, match=r"PE 'x' has on_error = .*Use 'fail', 'quarantine', 'retry:3' or 'retry:3,quarantine'"
    ):
        Policy.parse(text, of="PE 'x'")
