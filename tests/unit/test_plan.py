# SPDX-License-Identifier: Apache-2.0
"""Plans: how many instances, fused how, where, and as JSON."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import d4py
from d4py.errors import PlanError
from d4py.mappings import Options, get
from d4py.plan import Plan, layout
from d4py.plan.allocate import allocate
from d4py.plan.layout import layout_whole


class Source(d4py.ProducerPE):
    pass


class Work(d4py.IterativePE):
    stateless = True


class State(d4py.IterativePE):
    pass


class Keyed(d4py.IterativePE):
    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", grouping=[0])


class Merging(State):
    def merge(self, other: Merging) -> None: ...


def grouped(pe: d4py.GenericPE, grouping: Any) -> d4py.GenericPE:
    pe._add_input("input", grouping=grouping)
    return pe


def wanting(pe: d4py.GenericPE, number: int) -> d4py.GenericPE:
    pe.numprocesses = number
    return pe


def chain(*pes: d4py.GenericPE) -> d4py.WorkflowGraph:
    graph = d4py.WorkflowGraph()
    for writer, reader in pairwise(pes):
        graph.connect(writer, "output", reader, "input")
    return graph.flatten()


def counts(graph: d4py.WorkflowGraph, processes: int) -> list[int]:
    return list(allocate(graph, processes).counts.values())


@pytest.mark.parametrize(
    ("wanted", "processes", "expected"),
    [
        ((1, 1, 1), 4, [1, 1, 1, 1]),
        ((1, 1, 1), 8, [1, 3, 2, 2]),
        ((1, 3, 1), 12, [1, 4, 3, 4]),
        ((1, 1, 1), 7, [1, 2, 2, 2]),
        ((1, 1, 1), 6, [1, 2, 2, 1]),
        ((1, 1, 1), 2, [1, 2, 2, 2]),
        ((1, 3, 1), 5, [1, 5, 3, 5]),
        ((1, 1, 1), 1, [1, 1, 1, 1]),
        ((2, 3, 4), 10, [1, 2, 3, 4]),
    ],
)
def test_what_is_asked_for_is_obeyed_and_the_rest_shared_until_no_process_is_idle(
    wanted: tuple[int, ...], processes: int, expected: list[int]
) -> None:
    graph = chain(Source(), *(wanting(Work(), number) for number in wanted))

    assert counts(graph, processes) == expected


@pytest.mark.parametrize(
    ("pe", "expected"),
    [
        (Work(), 6),
        (State(), 1),
        (Keyed(), 6),
        (Merging(), 6),
        (wanting(State(), 3), 3),
        (grouped(Work(), "global"), 1),
        (wanting(grouped(Work(), "global"), 3), 1),
        (grouped(Work(), "all"), 1),
        (wanting(grouped(State(), "all"), 3), 3),
        (grouped(State(), [0, 1]), 6),
        (grouped(State(), []), 1),
    ],
)
def test_only_what_may_have_several_instances_gets_them(pe: d4py.GenericPE, expected: int) -> None:
    assert counts(chain(Source(), pe), 7) == [1, expected]


def test_a_pe_that_is_held_at_one_instance_leaves_its_share_to_the_others() -> None:
    assert counts(chain(Source(), Work(), State()), 6) == [1, 4, 1]


def test_a_root_has_one_instance_whatever_it_asks_for() -> None:
    assert counts(chain(wanting(Source(), 5), Work()), 4) == [1, 3]


def test_a_plan_says_which_pes_are_held_back_and_how_to_free_them() -> None:
    notes = allocate(chain(Source(), State(), grouped(Work(), "global")), 4).notes

    assert notes == (
        (
            "PE 'State' has one instance: it keeps state. If it does not, set stateless = True; else group its input by a "
            "key, define merge(), or set numprocesses."
        ),
        "PE 'Work' has one instance: its input is global. Give it merge(), or group by a key.",
    )


def test_a_keyed_pe_has_at_most_as_many_instances_as_there_are_partitions() -> None:
    assert counts(chain(Source(), Keyed()), 1000) == [1, 256]
    with pytest.raises(PlanError, match=r"PE 'Keyed' wants 300 instances; a keyed PE can have 256."):
        counts(chain(Source(), wanting(Keyed(), 300)), 1000)


def test_no_process_is_refused() -> None:
    with pytest.raises(PlanError, match="The number of processes is 0"):
        layout(chain(Source(), Work()), 0)


def cells(plan: Plan) -> list[list[str]]:
    return [[plan.instances[rank].label for rank in cell.instances] for cell in plan.cells]


def test_one_to_one_chains_are_fused_where_there_are_more_instances_than_processes() -> None:
    graph = chain(Source(), Work(), Work(), State())

    assert cells(layout(graph, 2)) == [["Source"], ["Work[0]", "Work2[0]"], ["Work[1]", "Work2[1]"], ["State"]]
    assert cells(layout(graph, 4)) == [["Source"], ["Work"], ["Work2"], ["State"]]
    assert cells(layout(graph, 2, fuse=False)) == [
        ["Source"],
        ["Work[0]"],
        ["Work[1]"],
        ["Work2[0]"],
        ["Work2[1]"],
        ["State"],
    ]


def test_a_fan_out_or_a_fan_in_is_not_fused() -> None:
    graph = d4py.WorkflowGraph()
    source, left, right, end = Source(), State(), State(), State()
    for pe in (left, right):
        graph.connect(source, "output", pe, "input")
        graph.connect(pe, "output", end, "input")

    assert cells(layout(graph.flatten(), 1)) == [["Source"], ["State"], ["State3"], ["State2"]]


def test_a_keyed_connection_is_fused_only_between_single_instances() -> None:
    graph = chain(Source(), Work(), Keyed())

    assert cells(layout(graph, 1)) == [["Source", "Work", "Keyed"]]
    assert cells(layout(graph, 2)) == [["Source"], ["Work[0]"], ["Work[1]"], ["Keyed[0]"], ["Keyed[1]"]]


def test_fusion_changes_neither_instances_nor_ranks() -> None:
    graph = chain(Source(), Work(), Work(), State())
    fused, apart = layout(graph, 2), layout(graph, 2, fuse=False)

    assert [(instance.rank, instance.label) for instance in fused.instances] == [
        (instance.rank, instance.label) for instance in apart.instances
    ]


def test_each_cell_has_a_process_of_its_own_where_there_are_enough() -> None:
    plan = layout(chain(Source(), Work(), State()), 5)

    assert [cell.process for cell in plan.cells] == [0, 1, 2, 3, 4]


def test_copies_of_a_pe_are_spread_and_single_cells_go_to_the_emptiest_process() -> None:
    plan = layout(chain(Source(), Work(), State()), 3, fuse=False)
    crowded = layout(chain(Source(), Work(), Work(), State()), 2, fuse=False)

    assert [cell.process for cell in plan.cells] == [0, 1, 2]
    assert [cell.process for cell in crowded.cells] == [0, 0, 1, 0, 1, 1]
    assert {cell.process for cell in crowded.cells} == {0, 1}


def test_global_sends_to_the_first_instance_only_and_all_to_each() -> None:
    graph = d4py.WorkflowGraph()
    source = Source()
    graph.connect(source, "output", wanting(grouped(State(), "all"), 3), "input")
    graph.connect(source, "output", grouped(Work(), "global"), "input")
    plan = layout(graph.flatten(), 9)
    readers = [(plan.routes[channel.route].grouping, plan.instances[channel.reader].label) for channel in plan.channels]

    assert readers == [("all", "State[0]"), ("all", "State[1]"), ("all", "State[2]"), ("global", "Work")]


def test_partial_states_go_to_the_first_instance() -> None:
    plan = layout(chain(Source(), Merging()), 4)
    merging = [channel for channel in plan.channels if plan.routes[channel.route].grouping == "merge"]

    assert [(plan.instances[one.writer].label, plan.instances[one.reader].label) for one in merging] == [
        ("Merging[1]", "Merging[0]"),
        ("Merging[2]", "Merging[0]"),
    ]


def test_a_keyed_pe_with_merge_is_not_merged() -> None:
    plan = layout(chain(Source(), grouped(Merging(), [0])), 4)

    assert [route.grouping for route in plan.routes] == ["key"]


def test_the_whole_graph_can_be_one_cell() -> None:
    graph = chain(Source(), Work(), grouped(State(), "global"))
    plan = layout_whole(graph)

    assert (cells(plan), list(plan.channels)) == ([["Source", "Work", "State"]], [])


GOLDEN = {
    "version": 3,
    "processes": 3,
    "pes": [
        {"pe": "Source", "instances": 1, "cells": [0]},
        {"pe": "Keyed", "instances": 2, "cells": [1, 2]},
    ],
    "cells": {
        "process": [0, 1, 2],
        "stateless": [False, False, False],
        "source": [True, False, False],
    },
    "routes": [
        {
            "index": 0,
            "writer": "Source",
            "output": "output",
            "reader": "Keyed",
            "input": "input",
            "grouping": "key",
            "key": [0],
            "fused": False,
        }
    ],
    "notes": [],
}


def test_a_plan_is_printed_as_json_and_read_back() -> None:
    plan = layout(chain(Source(), Keyed()), 3)
    printed = json.loads(json.dumps(plan.to_json()))

    assert printed == GOLDEN
    assert Plan.from_json(printed) == plan


def test_a_plan_depends_on_nothing_but_graph_and_number() -> None:
    one, other = (layout(chain(Source(), Work(), Keyed(), State()), 5) for _ in range(2))

    assert one == other


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_channels_are_numbered_as_if_they_were_listed(data: st.DataObject) -> None:
    steps: list[d4py.GenericPE] = [Source()]
    graph = d4py.WorkflowGraph()
    for _ in range(data.draw(st.integers(1, 4))):
        step = data.draw(st.sampled_from([Work, Keyed, State, Merging]))()
        graph.connect(data.draw(st.sampled_from(steps)), "output", step, "input")
        steps.append(step)
    plan = layout(graph.flatten(), data.draw(st.integers(1, 9)), fuse=data.draw(st.booleans()))

    listed = []
    for route in plan.routes:
        merging = route.grouping == "merge"
        for writer in plan.instances_of(route.writer)[merging:]:
            for reader in plan.instances_of(route.reader):
                once = merging or route.grouping == "global"
                if not route.fused and not (once and reader.number):
                    listed += [(route.index, writer.rank, reader.rank, writer.cell, reader.cell)]

    found = [(c.route, c.writer, c.reader, c.writer_cell, c.reader_cell) for c in plan.channels]
    assert found == listed
    assert [c.index for c in plan.channels] == list(range(len(plan.channels)))
    assert [plan.channels[number] for number in range(len(listed))] == list(plan.channels)
    for cell in plan.cells:
        assert [c for c in plan.channels if c.reader_cell == cell.index] == list(plan.channels_to(cell.index))
        assert [c for c in plan.channels if c.writer_cell == cell.index] == list(plan.channels_from(cell.index))


def test_a_plan_with_very_many_channels_is_small_and_made_at_once() -> None:
    plan = layout(chain(Source(), Work(), Keyed()), 4_096)

    assert counts(chain(Source(), Work(), Keyed()), 4_096) == [1, 3_839, 256]
    assert len(plan.channels) == 3_839 + 3_839 * 256
    assert len(json.dumps(plan.to_json())) < 1_000_000
    assert plan.channels[len(plan.channels) - 1].reader == plan.instances[-1].rank


def test_threads_refuse_more_channels_than_one_process_can_keep() -> None:
    graph = chain(Source(), Work(), Keyed())

    with pytest.raises(PlanError, match=r"986,623 channels"):
        get("threads").layout(graph.flatten(), Options(processes=4_096), {})
