# SPDX-License-Identifier: Apache-2.0
"""dispel4py called from Python: its functions, its aggregates, its names, and how they are found."""

from __future__ import annotations

import math
import pickle
import statistics
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from d4py.compat import aggregate
from d4py.compat.base import BasePE, CompositePE, ConsumerPE, IterativePE, ProducerPE
from d4py.compat.core import GenericPE
from d4py.compat.monitoring import ProcessTimingPE, Timer
from d4py.compat.multi_process import process as multi
from d4py.compat.processor import STATUS_TERMINATED
from d4py.compat.simple_process import process_and_return
from d4py.compat.testing_pes import TestOneInOneOut, TestProducer, TestTwoInOneOut
from d4py.compat.workflow_graph import WorkflowGraph, WorkflowNode, draw
from d4py.errors import D4pyError, WorkflowFailed


class Total(ConsumerPE):
    def __init__(self) -> None:
        ConsumerPE.__init__(self)
        self.total = 0

    def _process(self, data: int) -> None:
        self.total += data


class Rows(ProducerPE):
    def __init__(self, rows: list[Any]) -> None:
        ProducerPE.__init__(self)
        self.rows = rows

    def process(self, inputs: Any) -> None:
        for row in self.rows:
            self.write("output", row)


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for writer, reader in pairwise(pes):
        graph.connect(writer, "output", reader, "input")
    return graph


def test_results_come_back_by_pe_and_output_and_pes_keep_what_they_have_become() -> None:
    source, passing, total = TestProducer(), TestOneInOneOut(), Total()
    graph = chain(source, passing)
    graph.connect(source, "output", total, "input")

    first = process_and_return(graph, {source: 3})
    again = process_and_return(graph, {source.id: 2})
    named = process_and_return(graph, {"TestProducer": [{}]})

    assert first == {passing.id: {"output": [1, 2, 3]}}
    assert again == {passing.id: {"output": [4, 5]}}
    assert named == {passing.id: {"output": [6]}}
    assert (source.counter, total.total) == (6, 21)
    assert pickle.loads(pickle.dumps(total)).total == 21  # nothing of the run clings to it


def test_named_results_are_those_and_no_others() -> None:
    source, one, other = TestProducer(), TestOneInOneOut(), TestOneInOneOut()
    graph = chain(source, one)
    graph.connect(source, "output", other, "input")

    found = process_and_return(graph, {source: 2}, {source.id: ["output"], one.id: ["output"]})

    assert found == {source.id: {"output": [1, 2]}, one.id: {"output": [1, 2]}}
    assert process_and_return(graph, {source: 1}) == {one.id: {"output": [3]}, other.id: {"output": [3]}}


def test_a_root_without_an_entry_runs_once_and_a_name_of_several_means_the_first() -> None:
    one, other, both = TestProducer(), TestProducer(), TestTwoInOneOut()
    graph = WorkflowGraph()
    graph.connect(one, "output", both, "input0")
    graph.connect(other, "output", both, "input1")

    found = process_and_return(graph, {"TestProducer": 3})

    assert both.id is not None
    assert Counter(found[both.id]["output"]) == Counter(["1", "2", "3", "1"])


def test_a_pe_that_raises_is_told_to_the_caller() -> None:
    class Bad(IterativePE):
        def _process(self, data: int) -> int:
            raise ValueError("not this one")

    with pytest.raises(WorkflowFailed, match="ValueError: not this one"):
        process_and_return(chain(TestProducer(), Bad()), 1)


def test_multi_gives_a_queue_of_results_that_may_be_long(capfd: pytest.CaptureFixture[str]) -> None:
    source, passing = Rows(list(range(5_000))), TestOneInOneOut()
    args = SimpleNamespace(num=3, simple=False, results=True)

    queue = multi(chain(source, passing), {source: 1}, args)

    assert queue is not None
    found = [queue.get() for _ in range(5_001)]
    assert found[-1] == STATUS_TERMINATED
    assert Counter(found[:-1]) == Counter((passing.id, "output", number) for number in range(5_000))
    out = capfd.readouterr().out
    assert f"Processes: {{{source.id!r}: range(0, 1), {passing.id!r}: range(1, 3)}}" in out
    assert f"{source.id} (rank 0): Processed 1 iteration." in out


def test_multi_without_results_returns_none(capfd: pytest.CaptureFixture[str]) -> None:
    source = TestProducer()

    assert multi(chain(source, TestOneInOneOut()), {source: 2}, SimpleNamespace(num=2, simple=True)) is None
    assert "Partitions: " in capfd.readouterr().out


VALUES = [-5.5, 3.25, -1.0, 7.0, 7.0, -2.5]


@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize(
    ("made", "right"),
    [
        (aggregate.parallelCount, [6]),
        (lambda: aggregate.parallel_sum([1]), [sum(VALUES)]),
        (lambda: aggregate.parallel_min([1, 0]), [-5.5, 0]),
        (lambda: aggregate.parallelMax([1]), [7.0]),
        (lambda: aggregate.parallel_avg(1), [statistics.mean(VALUES), 6, sum(VALUES)]),
        (
            lambda: aggregate.parallelStdDev(1),
            (statistics.stdev(VALUES), 6, sum(VALUES), sum(value * value for value in VALUES)),
        ),
    ],
    ids=["count", "sum", "min", "max", "mean", "deviation"],
)
def test_aggregates_are_right(made: Any, right: Any, mapping: str) -> None:
    source, composite = Rows([(number, value) for number, value in enumerate(VALUES)]), made()
    graph = chain(source, composite)

    if mapping == "simple":
        ((found,),) = [values["output"] for values in process_and_return(graph, {source: 1}).values()]
    else:
        queue = multi(graph, {source: 1}, SimpleNamespace(num=6, simple=False, results=True))
        assert queue is not None
        found = queue.get()[2]

    assert type(found) is type(right)
    assert found == pytest.approx(right, rel=1e-12)


def test_the_largest_of_negative_numbers_is_negative_and_of_nothing_there_is_none() -> None:
    source, empty = Rows([[-3], [-2]]), Rows([])

    assert list(process_and_return(chain(source, aggregate.MaxPE()), 1).values()) == [{"output": [[-2]]}]
    assert process_and_return(chain(empty, aggregate.MaxPE()), 1) == {}
    assert list(process_and_return(chain(Rows([]), aggregate.CountPE()), 1).values()) == [{"output": [[0]]}]


def test_a_deviation_does_not_cancel() -> None:
    rows = [[1e9 + value] for value in (0.0, 1.0, 2.0)]

    ((found,),) = [own["output"] for own in process_and_return(chain(Rows(rows), aggregate.StdDevPE()), 1).values()]

    assert math.isclose(found[0], 1.0, rel_tol=1e-9)


def test_both_spellings_are_there() -> None:
    pe = BasePE(["a"], ["b"], 1, num_outputs=2)
    old = BasePE(numInputs=2, numOutputs=1)
    graph = WorkflowGraph()
    node = graph.add(pe)

    assert list(pe.inputconnections) == ["input0", "a"]
    assert list(pe.outputconnections) == ["output0", "output1", "b"]
    assert (len(old.inputconnections), len(old.outputconnections)) == (2, 1)
    assert node.getContainedObject() is node.get_contained_object() is pe
    assert graph.getContainedObjects() == graph.get_contained_objects() == [pe]
    assert pe.id == f"BasePE{WorkflowNode.node_counter - 1}"


def test_types_are_passed_along_in_either_spelling() -> None:
    class Keeps(GenericPE):
        def __init__(self) -> None:
            GenericPE.__init__(self)
            self._add_input("input")
            self._add_output("output")

        def setInputTypes(self, types: dict[str, Any]) -> None:
            self.types = types["input"]

        def getOutputTypes(self) -> dict[str, Any]:
            return {"output": self.types}

    keeps, last = Keeps(), TestOneInOneOut()
    seen: dict[str, Any] = {}
    last.set_input_types = seen.update  # type: ignore[assignment, method-assign]
    chain(TestProducer(), keeps, last).propagate_types()

    assert (keeps.types, seen) == (["number"], {"input": ["number"]})
    with pytest.raises(KeyError, match="No output type defined for 'output'"):
        IterativePE().get_output_types()


def test_a_graph_can_be_looked_at_as_networkx_has_it() -> None:
    source, both = TestProducer(2), TestTwoInOneOut()
    graph = WorkflowGraph()
    graph.connect(source, "output0", both, "input0")
    graph.connect(source, "output1", both, "input1")

    nodes = list(graph.graph.nodes())
    ((_, _, edge),) = graph.graph.edges(nodes[0], data=True)

    assert [node.getContainedObject() for node in nodes] == [source, both]
    assert edge["DIRECTION"] == (source, both)
    assert edge["ALL_CONNECTIONS"] == [("output0", "input0"), ("output1", "input1")]


def test_a_picture_names_pes_ports_and_composites() -> None:
    inner = CompositePE()
    first = TestOneInOneOut()
    inner.add(first)
    inner._map_input("in", first, "input")
    source = TestProducer()
    graph = WorkflowGraph()
    graph.connect(source, "output", inner, "in")

    dot = draw(graph)

    assert f'[label="{{ {source.id} | {{<out_output>output}} }}"];' in dot
    assert f'[label="{{ {{<in_input>input}} | {first.id} | {{<out_output>output}} }}"];' in dot
    assert "subgraph cluster_" in dot
    assert ":out_output->" in dot


def test_times_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    source = TestProducer()
    timed = ProcessTimingPE(TestOneInOneOut())

    assert process_and_return(chain(source, timed), {source: 2}) == {timed.id: {"output": [1, 2]}}
    assert f"{timed.id}: Average processing time: " in capfd.readouterr().out
    with Timer() as timer:
        pass
    assert 0 <= timer.secs < 1


def test_a_pe_can_be_tested_by_itself() -> None:
    class Writes(IterativePE):
        def _process(self, data: int) -> int:
            self.write("output", data)
            return 2 * data

    class Port:
        data: ClassVar[list[int]] = []

        def write(self, data: int) -> None:
            self.data.append(data)

    pe, other = Writes(), Writes()
    got: list[tuple[str, int]] = []
    pe.outputconnections["output"]["writer"] = Port()
    vars(other)["_write"] = lambda name, data: got.append((name, data))

    assert (pe.process({"input": 2}), Port.data) == ({"output": 4}, [2])
    assert (other.process({"input": 2}), got) == ({"output": 4}, [("output", 2)])
    with pytest.raises(D4pyError, match="outside a run"):
        Writes().process({"input": 1})


def test_a_pe_has_an_id_of_its_own_before_it_is_in_a_graph_and_ports_hold_what_was_given() -> None:
    one, other = TestOneInOneOut(), TestOneInOneOut()

    assert one.id != other.id
    assert str(one.id).startswith("TestOneInOneOut")
    assert one.inputconnections == {"input": {"name": "input"}}
    assert one.outputconnections == {"output": {"name": "output", "type": ["number"]}}


def test_flatten_opens_composites_in_place_and_a_loaded_graph_is_the_modules(here: Path, python: Any) -> None:
    inner = CompositePE()
    first, last = TestOneInOneOut(), TestOneInOneOut()
    inner.connect(first, "output", last, "input")
    inner._map_input("input", first, "input")
    inner._map_output("output", last, "output")
    source, sink = TestProducer(), TestOneInOneOut()
    graph = chain(source, inner, sink)
    ids = [first.id, last.id]

    graph.flatten()

    assert [node.get_contained_object() for node in graph.graph.nodes()] == [source, first, last, sink]
    assert [first.id, last.id] == ids
    assert process_and_return(graph, {source: 2}) == {sink.id: {"output": [1, 2]}}
    (here / "wf.py").write_text(
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "from dispel4py.examples.graph_testing.testing_PEs import TestProducer\n"
        "graph = WorkflowGraph()\ngraph.add(TestProducer())\n"
    )
    (here / "script.py").write_text(
        "import wf\nfrom dispel4py.utils import load_graph\n"
        "graph = load_graph('wf')\nprint(graph is wf.graph, len(graph.graph.nodes()))\n"
    )

    assert python("-m", "d4py.compat", "script.py").out == "True 1\n"


def test_a_partition_left_out_is_told() -> None:
    from d4py.compat.running import assigned

    source, other = TestProducer(), TestOneInOneOut()
    graph = chain(source, other)
    graph.partitions = [[source]]

    with pytest.raises(D4pyError, match=f"PE '{other.id}' is in no partition"):
        assigned(graph.flatten(), 4, partitioned=True)
    assert "dispel4py" not in sys.modules
