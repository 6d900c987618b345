# SPDX-License-Identifier: Apache-2.0
"""Drawing a graph: ports, `>>`, composites, types, and what is told when it can't be run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import d4py
from d4py.errors import CycleError, GraphError, ParameterError, TypeMismatch, UnknownPort
from d4py.graph.check import check, ordered
from d4py.graph.types import compatible


class Two(d4py.GenericPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_input("left")
        self._add_input("right")
        self._add_output("pair")

    def process(self, inputs: dict[str, Any]) -> None:
        """Take either."""


def test_a_pe_without_a_process_is_warned_of_and_one_that_is_misspelt_refused() -> None:
    class Silent(d4py.IterativePE):
        """Does nothing."""

    class Slip(d4py.IterativePE):
        def _proccess(self, data: int) -> int:
            return data

    assert check(numbers() >> Silent()) == ["PE 'Silent' has no _process(): what it is sent is dropped."]
    with pytest.raises(GraphError, match="PE 'Slip' has no _process\\(\\), but '_proccess'"):
        check(numbers() >> Slip())


@d4py.producer
def numbers(n: int = 3) -> Iterator[int]:
    yield from range(n)


@d4py.iterative
def double(x: int) -> int:
    return 2 * x


@d4py.iterative
def shout(text: str) -> str:
    return text.upper()


@d4py.iterative
def half(x: float) -> float:
    return x / 2


@d4py.consumer
def swallow(x: object) -> None:
    pass


def names(graph: d4py.WorkflowGraph) -> list[str | None]:
    return [pe.id for pe in graph.pes]


def test_a_connection_to_an_unknown_input_names_the_pe_its_inputs_and_the_nearest() -> None:
    with pytest.raises(UnknownPort) as raised:
        d4py.WorkflowGraph().connect(numbers(), "output", Two(), "rigth")

    assert str(raised.value) == "PE 'Two' has no input 'rigth'; it has 'left', 'right'. Did you mean 'right'?"


def test_a_connection_from_an_unknown_output_names_the_pe_and_its_outputs() -> None:
    with pytest.raises(UnknownPort, match=r"PE 'swallow' has no output 'output'; it has none."):
        d4py.WorkflowGraph().connect(swallow(), "output", double(), "input")


def test_ids_are_unique_and_come_from_names_in_the_order_of_adding() -> None:
    graph = numbers() >> double() >> double() >> double()

    assert names(graph) == ["numbers", "double", "double2", "double3"]


def test_adding_a_pe_twice_changes_nothing() -> None:
    graph = d4py.WorkflowGraph()
    pe = Two()

    graph.add(pe)
    graph.add(pe)

    assert graph.pes == [pe]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Two, "The class 'Two' is not a PE. Call it to make one: Two()."),
        (numbers, "The function 'numbers' is not a PE. Call it to make one: numbers()."),
        (
            len,
            (
                "The function 'len' is not a PE. "
                "Decorate it with @d4py.iterative, @d4py.producer or @d4py.consumer, and call it."
            ),
        ),
        (7, "7 is not a PE. Add objects of PE classes, composites, or decorated functions that were called."),
    ],
)
def test_what_is_no_pe_is_told_with_the_remedy(node: Any, message: str) -> None:
    with pytest.raises(GraphError) as raised:
        d4py.WorkflowGraph().add(node)

    assert str(raised.value) == message


def test_a_pe_that_forgot_super_init_is_told_so() -> None:
    class Forgetful(d4py.GenericPE):
        def __init__(self) -> None:
            self.x = 1

    with pytest.raises(GraphError, match=r"'Forgetful' does not call super\(\).__init__\(\)"):
        d4py.WorkflowGraph().add(Forgetful())


def test_an_uncalled_factory_in_a_chain_is_told_so() -> None:
    with pytest.raises(ParameterError, match=r"numbers was not called. Write numbers\(\) >> "):
        numbers >> double()


def test_a_factory_names_an_unknown_parameter_and_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"numbers\(\) has no parameter 'nn'; it has 'n'. Did you mean 'n'\?"):
        numbers(nn=3)


def test_an_arrow_needs_exactly_one_port_on_each_side() -> None:
    with pytest.raises(GraphError, match=r"PE 'Two' has 2 inputs \('left', 'right'\); >> needs exactly one"):
        numbers() >> Two()


def test_two_chains_can_be_joined() -> None:
    first, second = numbers() >> double(), double() >> half()

    joined = first >> second

    assert names(joined.flatten()) == ["numbers", "double", "double2", "half"]
    assert [(edge.writer, edge.reader) for edge in joined.connections] == [
        (joined.pes[0], joined.pes[1]),
        (joined.pes[2], joined.pes[3]),
        (joined.pes[1], joined.pes[2]),
    ]


def test_a_composite_stands_where_a_pe_may_and_is_opened() -> None:
    def inner(composite: d4py.CompositePE, factor: int) -> None:
        first, second = double(), half()
        composite.connect(first, "output", second, "input")
        composite._map_input("in", first, "input")
        composite._map_output("out", second, "output")
        assert factor == 2

    composite = d4py.CompositePE(inner, {"factor": 2})
    graph = d4py.WorkflowGraph()
    graph.connect(numbers(), "output", composite, "in")
    graph.connect(composite, "out", swallow(), "input")
    flat = graph.flatten()

    assert names(flat) == ["numbers", "double", "half", "swallow"]
    assert sorted((edge.writer.id, edge.reader.id) for edge in flat.connections) == [  # type: ignore[union-attr]
        ("double", "half"),
        ("half", "swallow"),
        ("numbers", "double"),
    ]


def test_a_composite_names_its_own_ports_when_one_is_unknown() -> None:
    chain = d4py.create_iterative_chain([abs, round])

    with pytest.raises(UnknownPort, match="The composite has no input 'inputs'; it has 'input'"):
        d4py.WorkflowGraph().connect(numbers(), "output", chain, "inputs")


def test_ids_stay_unique_when_composites_of_the_same_kind_are_opened() -> None:
    graph = d4py.WorkflowGraph()
    first, second = d4py.create_iterative_chain([abs]), d4py.create_iterative_chain([abs])
    graph.connect(numbers(), "output", first, "input")
    graph.connect(first, "output", second, "input")

    assert names(graph.flatten()) == ["numbers", "PE_abs", "PE_abs2"]


def test_a_chain_of_functions_takes_their_parameters() -> None:
    chain = d4py.create_iterative_chain([(round, {"ndigits": 1}), abs], name_prefix="F_", name_suffix="_x")
    graph = d4py.WorkflowGraph()
    graph.connect(half(), "output", chain, "input")

    result = d4py.run(graph, inputs={"half": [{"input": -1.23}]})

    assert (names(graph.flatten()), result.outputs.values()) == (["half", "F_round_x", "F_abs_x"], [0.6])


def test_an_empty_chain_is_refused() -> None:
    with pytest.raises(GraphError, match="A chain needs at least one function"):
        d4py.create_iterative_chain([])


def test_a_type_mismatch_is_told_when_the_graph_is_drawn() -> None:
    with pytest.raises(TypeMismatch) as raised:
        numbers() >> shout()

    assert str(raised.value).startswith(
        "PE 'numbers' writes int on 'output', but input 'input' of PE 'shout' takes str."
    )


def test_an_int_may_go_where_a_float_is_wanted() -> None:
    assert names(numbers() >> half()) == ["numbers", "half"]


class Animal: ...


class Dog(Animal): ...


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [
        (int, str, False),
        (int, int | str, True),
        (bool, int, True),
        (str, float, False),
        (Dog, Animal, True),
        (Animal, Dog, True),
        (Dog, int, False),
        (None, str, True),
        (Any, str, True),
        (list[int], list[str], True),
        (list[int], dict[str, int], False),
        (int | None, str, False),
        ("Unresolved", int, True),
    ],
)
def test_types_are_refused_only_where_they_exclude_each_other(given: object, wanted: object, fits: bool) -> None:
    assert compatible(given, wanted) is fits


def test_a_circle_is_named() -> None:
    graph = d4py.WorkflowGraph()
    first, second = double(), double()
    graph.connect(first, "output", second, "input")
    graph.connect(second, "output", first, "input")

    with pytest.raises(CycleError, match=r"PEs feed each other in a circle: double -> double2."):
        check(graph)


def test_writers_come_before_readers_however_they_were_added() -> None:
    graph = d4py.WorkflowGraph()
    last, middle, first = swallow(), double(), numbers()
    for pe in (last, middle, first):
        graph.add(pe)
    graph.connect(middle, "output", last, "input")
    graph.connect(first, "output", middle, "input")

    assert ordered(graph) == [first, middle, last]


def test_an_input_that_nobody_feeds_is_warned_of_unless_data_is_given_for_it() -> None:
    graph = d4py.WorkflowGraph()
    graph.connect(numbers(), "output", Two(), "left")

    assert check(graph) == ["Nothing feeds input 'right' of PE 'Two'. Connect it, or give data with -d."]
    assert check(graph, given=["Two"]) == []


def with_grouping(grouping: object) -> d4py.GenericPE:
    pe = Two()
    pe._add_input("left", grouping=grouping)  # type: ignore[arg-type]
    return pe


def with_attribute(name: str, value: object) -> d4py.GenericPE:
    pe = Two()
    setattr(pe, name, value)
    return pe


@pytest.mark.parametrize(
    ("pe", "message"),
    [
        (with_attribute("numprocesses", 0), "PE 'Two' has numprocesses = 0. Give a whole number of at least 1."),
        (with_attribute("numprocesses", True), "PE 'Two' has numprocesses = True. Give a whole number of at least 1."),
        (with_attribute("replay", "never"), "PE 'Two' has replay = 'never'. Use 'rerun' or 'spool'."),
        (with_attribute("on_error", "retry"), "PE 'Two' has on_error = 'retry'. Use 'fail', "),
        (with_attribute("on_error", "retry:x"), "PE 'Two' has on_error = 'retry:x'. Use 'fail', "),
        (with_grouping("globl"), "Input 'left' of PE 'Two' has grouping 'globl'. Use 'global', "),
    ],
)
def test_a_setting_that_means_nothing_is_told(pe: d4py.GenericPE, message: str) -> None:
    graph = d4py.WorkflowGraph()
    graph.add(pe)

    with pytest.raises(GraphError) as raised:
        check(graph)

    assert str(raised.value).startswith(message)


def test_an_empty_graph_is_told() -> None:
    with pytest.raises(GraphError, match="The graph has no PE"):
        check(d4py.WorkflowGraph())


def test_a_write_outside_a_run_is_told() -> None:
    with pytest.raises(GraphError, match=r"write\('pair'\) was called outside a run"):
        Two().write("pair", 1)


def test_pes_and_factories_have_a_repr_that_names_them() -> None:
    assert [repr(Two()), repr(numbers), repr(numbers())] == ["<PE Two>", "<PE factory numbers>", "<PE numbers>"]
