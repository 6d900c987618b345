# SPDX-License-Identifier: Apache-2.0
"""Costs: what cheap PEs do is not sent about; what is dear stays apart; and what a run has cost is known to the next one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import d4py
from d4py.graph.load import find, load
from d4py.plan.costs import HOP_S, Cost, learned
from d4py.plan.layout import layout
from d4py.plan.plan import Plan
from d4py.runs import costs as kept
from d4py.runs.books import audit

ITEMS = 1_000
CHEAP, DEAR = HOP_S / 5, 100 * HOP_S


class Step(d4py.GenericPE):
    def __init__(self, name: str, *, stateless: bool = True, grouping: Any = None) -> None:
        super().__init__()
        self.name = name
        self.stateless = stateless  # type: ignore[misc]
        self._add_input("input", grouping=grouping)
        self._add_output("output")


def source() -> d4py.GenericPE:
    pe = d4py.ProducerPE()
    pe.name = "source"
    return pe


def chain(*steps: Step) -> d4py.WorkflowGraph:
    graph = d4py.WorkflowGraph()
    before: d4py.GenericPE = source()
    for step in steps:
        graph.connect(before, "output", step, "input")
        before = step
    return graph


def costs(graph: d4py.WorkflowGraph, *each: float) -> dict[str, Cost]:
    return {pe.id or "": Cost(cost * ITEMS, ITEMS) for pe, cost in zip(graph.pes, each, strict=True)}


def cells(plan: Plan) -> list[list[str]]:
    return [[plan.instances[rank].label for rank in cell.instances] for cell in plan.cells]


def test_cheap_pes_run_as_one_even_where_there_is_a_process_for_each() -> None:
    graph = chain(Step("a"), Step("b"), Step("c", stateless=False))
    known = costs(graph, CHEAP, CHEAP, CHEAP, CHEAP)

    assert cells(layout(graph, 8, measured=known)) == [["source", "a", "b", "c"]]
    assert len(cells(layout(graph, 8, fuse=False, measured=known))) == len(cells(layout(graph, 8))) > 1


def test_a_dear_pe_stays_apart_and_gets_the_processes_that_cheap_ones_do_not_need() -> None:
    graph = chain(Step("a"), Step("b"))

    assert cells(layout(graph, 4)) == [["source"], ["a[0]"], ["a[1]"], ["b"]]
    plan = layout(graph, 4, measured=costs(graph, CHEAP, CHEAP, DEAR))
    assert cells(plan) == [["source", "a"], ["b[0]"], ["b[1]"], ["b[2]"]]


def test_processes_are_shared_out_as_pes_cost() -> None:
    graph = chain(Step("a"), Step("b"), Step("c"))
    plan = layout(graph, 21, measured=costs(graph, CHEAP, DEAR, 3 * DEAR, DEAR))

    assert [len(plan.instances_of(name)) for name in "abc"] == [4, 12, 4]


def test_many_middling_pes_are_shared_out_evenly() -> None:
    graph = chain(*[Step(f"s{number}", stateless=False) for number in range(9)])
    plan = layout(graph, 2, measured=costs(graph, *[4 * HOP_S] * 10))

    assert [len(cell) for cell in cells(plan)] == [5, 5]
    assert {cell.process for cell in plan.cells} == {0, 1}


def test_stateful_dear_pes_of_a_crowded_chain_do_not_share_a_process() -> None:
    graph = chain(Step("a", stateless=False), Step("b", stateless=False))

    assert cells(layout(graph, 2)) == [["source", "a", "b"]]
    assert cells(layout(graph, 2, measured=costs(graph, CHEAP, DEAR, DEAR))) == [["source", "a"], ["b"]]


def test_a_keyed_reader_joins_one_writer_but_never_several() -> None:
    alone = chain(Step("a"), Step("count", stateless=False, grouping=[0]))
    assert cells(layout(alone, 4, measured=costs(alone, CHEAP, CHEAP, CHEAP))) == [["source", "a", "count"]]

    several = chain(Step("a"), Step("count", stateless=False, grouping=[0]))
    plan = layout(several, 4, measured=costs(several, CHEAP, DEAR, CHEAP))
    assert len(plan.instances_of("a")) > 1
    assert not [route for route in plan.routes if route.fused and route.reader == "count"]


def test_what_the_author_asked_for_is_kept() -> None:
    graph = chain(Step("a"))
    next(pe for pe in graph.pes if pe.name == "a").numprocesses = 3

    assert len(layout(graph, 4, measured=costs(graph, CHEAP, CHEAP)).instances_of("a")) == 3


def test_declared_costs_are_used_until_some_are_measured() -> None:
    graph = chain(Step("a"))
    for pe in graph.pes:
        pe.cost = CHEAP
    assert cells(layout(graph, 2)) == [["source", "a"]]

    assert cells(layout(graph, 2, measured=costs(graph, DEAR, DEAR))) == [["source"], ["a"]]


def test_a_reader_of_unknown_cost_stays_apart() -> None:
    graph = chain(Step("a"), Step("b"))
    known = costs(graph, CHEAP, CHEAP, CHEAP)
    del known["b"]

    assert cells(layout(graph, 3, measured=known))[0] == ["source", "a"]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_the_graph_and_the_costs_no_cell_waits_for_itself(data: st.DataObject) -> None:
    steps: list[d4py.GenericPE] = [source()]
    graph = d4py.WorkflowGraph()
    for number in range(data.draw(st.integers(1, 7))):
        grouping = data.draw(st.sampled_from([None, None, None, [0], "all", "global"]))
        step = Step(f"s{number}", stateless=data.draw(st.booleans()), grouping=grouping)
        for writer in data.draw(st.lists(st.sampled_from(steps), min_size=1, max_size=3, unique_by=id)):
            graph.connect(writer, "output", step, "input")
        steps.append(step)
    known = {pe.id or "": Cost(data.draw(st.sampled_from([0.0, CHEAP, HOP_S, DEAR])), 1) for pe in graph.pes}
    plan = layout(graph, data.draw(st.integers(1, 5)), measured=known)

    writers = {cell.index: {c.writer_cell for c in plan.channels_to(cell.index)} for cell in plan.cells}
    while ready := [cell for cell, others in writers.items() if not others & writers.keys()]:
        for cell in ready:
            del writers[cell]
    assert not writers, "a cell waits for itself"
    for pe in graph.pes:
        kinds = {route.grouping for route in plan.routes if route.reader == pe.id}
        if "global" in kinds or not (pe.stateless or kinds == {"key"}):
            assert len(plan.instances_of(pe.id or "")) == 1, "a state must not be split"
    for route in plan.routes:
        if route.fused:
            assert len(plan.instances_of(route.writer)) == len(plan.instances_of(route.reader))


def test_what_a_fused_cell_took_is_shared_as_it_is_known_and_else_equally() -> None:
    graph = chain(Step("a"))
    plan = layout(graph, 1, measured=costs(graph, CHEAP, CHEAP))
    counts = {"source": {"read": 0, "written": 10}, "a": {"read": 10, "written": 10}}

    assert learned(plan, {0: 8.0}, counts, {}) == {"source": Cost(4.0, 10), "a": Cost(4.0, 10)}
    known = {"source": Cost(1.0, 5), "a": Cost(3.0, 5)}
    assert learned(plan, {0: 8.0}, counts, known) == {"source": Cost(2.0, 10), "a": Cost(6.0, 10)}


WORKFLOW = """
import d4py, time

@d4py.producer
def numbers(n: int = 300):
    yield from range(n)

@d4py.iterative
def slow(x):
    time.sleep(0.0005)
    return x

@d4py.iterative
def quick(x):
    return x + 1

class Total(d4py.ConsumerPE):
    def _process(self, value):
        pass

graph = numbers() >> quick() >> slow() >> Total()
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "flow.py"
    path.write_text(WORKFLOW)
    return path


def test_a_run_tells_the_next_one_what_its_pes_cost(path: Path) -> None:
    result = d4py.run(str(path), "multi", processes=4)

    known = kept.recall(load(find(str(path))))
    assert known.keys() == {"numbers", "quick", "slow", "Total"}
    assert {name: cost.items for name, cost in known.items()} == dict.fromkeys(known, 300)
    assert 0.0005 < known["slow"].seconds / 300 < 0.01
    assert known["quick"].seconds < known["slow"].seconds / 10
    assert sum(audit(d4py.runs.Folder(result.folder)).seconds.values()) == pytest.approx(
        sum(cost.seconds for cost in known.values())
    )


def test_the_plan_says_what_it_fused_and_why_and_forgets_it_when_the_code_changes(path: Path) -> None:
    def plan(*options: str) -> Any:
        command = [
            str(Path(sys.executable).with_name("d4py")),
            "plan",
            str(path),
            "--mapping",
            "multi",
            "-n",
            "4",
            "--json",
            *options,
        ]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)

    kept.remember(
        load(find(str(path))),
        {name: Cost(CHEAP, 1) for name in ("numbers", "quick", "Total")} | {"slow": Cost(DEAR, 1)},
    )
    fused = plan()
    assert [route["fused"] for route in fused["routes"]] == [True, False, False]
    assert any(note.startswith("numbers, quick run as one:") for note in fused["notes"])
    assert not any(route["fused"] for route in plan("--no-fuse")["routes"])

    path.write_text(WORKFLOW + "\n# changed\n")
    assert not any(route["fused"] for route in plan()["routes"])


def test_few_sets_of_costs_are_kept_of_one_workflow_and_a_damaged_file_is_none(path: Path) -> None:
    for n in range(30):
        kept.remember(load(find(str(path), parameters={"numbers.n": n})), {"numbers": Cost(float(n), 1)})
    (file,) = kept._path(load(find(str(path)))).parent.iterdir()

    assert len(json.loads(file.read_text())) == 16
    assert kept.recall(load(find(str(path), parameters={"numbers.n": 29}))) == {"numbers": Cost(29.0, 1)}
    assert kept.recall(load(find(str(path), parameters={"numbers.n": 3}))) == {}
    file.write_text("{")
    assert kept.recall(load(find(str(path), parameters={"numbers.n": 29}))) == {}
