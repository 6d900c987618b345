# SPDX-License-Identifier: Apache-2.0
"""The old command: what it is given, what it says, and what it refuses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.compat.laying import ON_ALL, lay, lines


def test_input_data_by_name_and_by_id(old: Any, here: Path) -> None:
    lay("""
class Read(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('file')
        self._add_output('output')
    def process(self, inputs):
        self.write('output', open(inputs['file']).read())

read = Read()
graph = WorkflowGraph()
graph.connect(read, 'output', TestOneInOneOut(), 'input')
""")
    Path("a.txt").write_text("text of a")
    Path("in.json").write_text('{"Read0": [{"file": "a.txt"}, {"file": "a.txt"}]}')

    by_name = old("simple", "wf.py", "-d", '{"Read": [{"file": "a.txt"}]}')
    by_id = old("multi", "wf.py", "-n", "2", "-f", "in.json")

    assert "Outputs: {'TestOneInOneOut1': {'output': ['text of a']}}" in by_name.out
    assert "Processing" not in by_name.out
    assert "Read0 (rank 0): Processed 2 iterations." in by_id.out
    assert "TestOneInOneOut1 (rank 1): Processed 2 iterations." in by_id.out


def test_the_last_graph_in_the_alphabet_is_run_unless_another_is_named(old: Any) -> None:
    lay("""
def one(name):
    graph = WorkflowGraph()
    pe = TestProducer()
    pe.name = name
    graph.add(pe)
    return graph
def configure():
    raise ValueError("not what d4py means by it")
first, graph, zlast = one('First'), one('Graph'), one('Last')
""")

    assert "Outputs: {'Last2': {'output': [1]}}" in old("simple", "wf.py").out
    assert "Outputs: {'First0': {'output': [1]}}" in old("simple", "wf", "-a", "first").out


def test_a_graph_that_is_larger_than_the_job_shares_processes(old: Any) -> None:
    lay("""
graph = WorkflowGraph()
prod, a, b = TestProducer(), TestOneInOneOut(), TestOneInOneOut()
a.numprocesses = 3
graph.connect(prod, 'output', a, 'input')
graph.connect(a, 'output', b, 'input')
""")

    told = old("multi", "wf.py", "-n", "3", "-i", "5")

    assert told.code == 0
    assert "Graph is larger than job size: 5 > 3." in told.out
    assert "Partitions: [TestProducer0], [TestOneInOneOut1, TestOneInOneOut2]" in told.out
    assert "'TestOneInOneOut2': range(3, 5)" in told.out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("simple", "absent.py"), 2, "There is no file 'absent.py'"),
        (("simple", "broken.py"), 2, "broken.py line 1 raised ZeroDivisionError"),
        (("simple", "empty.py"), 2, "no workflow graph"),
        (("simple", "wf.py", "-d", '{"TestProdcer": 3}'), 2, "There is no PE 'TestProdcer'"),
        (("multi", "wf.py", "-n", "3", "-d", '{"TestProdcer": 3}'), 2, "Did you mean 'TestProducer0'?"),
        (("multi", "wf.py", "-n", "3", "-d", "{"), 2, "The data of -d is not JSON"),
        (("multi", "wf.py"), 2, "-n"),
        (("multi", "wf.py", "-n", "0"), 2, "The number of processes is 0."),
        (("mulit", "wf.py", "-n", "2"), 2, "Did you mean 'multi'?"),
        (("simple", "raises.py"), 3, "PE 'SimpleFunctionPE"),
        (("multi", "raises.py", "-n", "2"), 3, "ValueError: not this one"),
        (("redis", "wf.py", "-n", "2", "-ri", "localhost"), 2, "The job of 'redis' is done by the mapping 'celery'"),
        (("simple",), 2, "module"),
        ((), 2, "usage: dispel4py MAPPING WORKFLOW"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_told_and_nothing_hangs(
    words: tuple[str, ...], code: int, says: str, old: Any, here: Path
) -> None:
    lay("graph = WorkflowGraph()\ngraph.connect(TestProducer(), 'output', TestOneInOneOut(), 'input')\n")
    lay(
        "def no(x):\n    raise ValueError('not this one')\n"
        "pe = SimpleFunctionPE()\npe.compute_fn = no\n"
        "graph = WorkflowGraph()\ngraph.connect(TestProducer(), 'output', pe, 'input')\n",
        "raises.py",
    )
    Path("broken.py").write_text("1 / 0\n")
    Path("empty.py").write_text("x = 1\n")

    told = old(*words)

    assert told.code == code
    assert says in told.err
    assert "Traceback" not in told.err.splitlines()[0]


def test_options_without_a_meaning_are_named_once_and_provenance_is_not_ignored(old: Any, here: Path) -> None:
    lay("graph = WorkflowGraph()\ngraph.connect(TestProducer(), 'output', TestOneInOneOut(), 'input')\n")

    plain = old("dyn_multi", "wf.py", "-n", "2", "-ct", "5", "--timing-dir", "x", "--itr", "3")
    asked = old("multi", "wf.py", "-n", "2", "--provenance-config", "inline", "--provenance-userid", "me")
    inline = old("multi", "wf.py", "-n", "2", "--provenance-config")
    path = old("simple", "wf.py", "--provenance-path=prov")

    assert plain.code == 0
    assert plain.err.splitlines() == [
        "d4py: note: the job of dyn_multi is done by d4py's multi",
        "d4py: note: --itr is no option of dispel4py's; it is left to the workflow. Did you mean '--iter'?",
        "d4py: note: -ct, --timing-dir have no meaning any more",
    ]
    for told in (asked, inline, path):
        assert (told.code, told.err) == (0, "d4py: warning: Provenance is not there yet: this run records none.\n")


def test_a_workflow_reads_its_own_arguments_and_relative_paths(old: Any, here: Path) -> None:
    Path("data").mkdir()
    Path("data/n.txt").write_text("3")
    lay("""
import sys
print('argument', sys.argv[4])
n = int(open('data/n.txt').read())
prod = TestProducer()
graph = WorkflowGraph()
for _ in range(n):
    graph.connect(prod, 'output', TestOneInOneOut(), 'input')
""")

    told = old("simple", "wf.py", "-i", "2")

    assert told.code == 0
    assert told.out.count("argument 2") == 1  # the module is run once
    assert told.out.count("'TestOneInOneOut") == 3


def test_the_command_d4py_runs_plans_and_resumes_the_same_file(python: Any, here: Path) -> None:
    lay("""
import os
class Slow(IterativePE):
    def _process(self, data):
        if data == 3 and not os.path.exists('mended'):
            raise ValueError('three')
        return data
graph = WorkflowGraph()
graph.connect(TestProducer(), 'output', Slow(), 'input')
""")

    def d4py(*words: str) -> Any:
        return python("-m", "d4py.cli.main", *words)

    plan = d4py("plan", "wf.py", "-m", "multi", "-n", "2")
    failed = d4py("run", "wf.py", "-i", "5", "-m", "multi", "-n", "2", "--run-dir", "r/a", "-q")
    Path("mended").touch()
    resumed = d4py("resume", "r/a", "-q")
    given = d4py("outputs", "r/a")

    assert (plan.code, failed.code, resumed.code) == (0, 3, 0)
    assert "TestProducer0" in plan.out
    assert [line for line in given.out.splitlines() if "Slow1" in line]
    assert given.out.count("Slow1") == 5


def test_a_returned_generator_is_one_value(old: Any) -> None:
    lay("""
class Numbers(ProducerPE):
    def _process(self, inputs):
        return (x for x in range(3))
class Squares(IterativePE):
    def _process(self, data):
        return (x * x for x in data)
class Sum(IterativePE):
    def _process(self, data):
        return sum(data)
graph = WorkflowGraph()
squares, total = Squares(), Sum()
graph.connect(Numbers(), 'output', squares, 'input')
graph.connect(squares, 'output', total, 'input')
""")

    assert "Outputs: {'Sum2': {'output': [5, 5]}}" in old("simple", "wf.py", "-i", "2").out


@pytest.mark.parametrize("held", ["open(__file__)", "iter([1, 2])", "threading.Lock()", "lambda: 1", "socket.socket()"])
@ON_ALL
def test_a_source_may_hold_what_cannot_be_kept(mapping: tuple[str, ...], held: str, old: Any) -> None:
    lay(f"""
import socket, threading
class Source(ProducerPE):
    def _preprocess(self):
        self.held = {held}
    def _process(self, inputs):
        return 1
class Show(ConsumerPE):
    def _process(self, value):
        self.log('got %s' % value)
graph = WorkflowGraph()
graph.connect(Source(), 'output', Show(), 'input')
""")

    told = old(mapping[0], "wf.py", "-i", "3", *mapping[1:])

    assert (told.code, sum(lines(told.out).values())) == (0, 3), told.err


def test_data_for_one_root_is_all_there_is_and_may_have_undeclared_keys(old: Any) -> None:
    lay("""
class Join(GenericPE):
    def __init__(self, name):
        GenericPE.__init__(self)
        self.name = name
        self._add_input('file')
        self._add_output('output')
    def process(self, inputs):
        return {'output': inputs['file'] * inputs.get('factor', 1)}
graph = WorkflowGraph()
sink = TestOneInOneOut()
for name in 'AB':
    graph.connect(Join(name), 'output', sink, 'input')
""")
    data = '{"A": [{"file": "x", "factor": 2}]}'

    simple = old("simple", "wf.py", "-d", data)
    multi = old("multi", "wf.py", "-n", "3", "-d", data)

    assert (simple.code, multi.code) == (0, 0), simple.err + multi.err
    assert "Outputs: {'TestOneInOneOut1': {'output': ['xx']}}" in simple.out
    assert "TestOneInOneOut1 (rank 2): Processed 1 iteration." in multi.out


def test_an_unknown_grouping_is_shuffled_and_said_so(old: Any) -> None:
    lay("""
out = TestOneInOneOut()
out.inputconnections['input']['grouping'] = 'round_robin'
graph = WorkflowGraph()
graph.connect(TestProducer(), 'output', out, 'input')
""")

    told = old("multi", "wf.py", "-n", "3", "-i", "4")

    assert told.code == 0
    assert (
        told.err
        == "d4py: note: PE 'TestOneInOneOut1' is grouped by 'round_robin', which nobody knows: it is shuffled\n"
    )


def test_a_mapping_of_the_users_own_sees_the_graph_as_dispel4py_has_it(old: Any, here: Path) -> None:
    lay("""
graph = WorkflowGraph()
graph.connect(TestProducer(), 'output', create_iterative_chain([abs, str]), 'input')
""")
    Path("own.py").write_text(
        "def process(workflow, inputs, args):\n"
        "    print(sorted(node.get_contained_object().id for node in workflow.graph.nodes()), inputs, args.iter)\n"
    )

    told = old("own", "wf.py", "-i", "2")

    assert told.code == 0, told.err
    assert "['PE_abs0', 'PE_str1', 'TestProducer2'] {'TestProducer2': 2} 2" in told.out
    assert "ELAPSED TIME: " in told.out


def test_options_may_be_abbreviated_and_arguments_reach_workers(old: Any) -> None:
    lay("""
import sys, threading, time
threading.Thread(target=time.sleep, args=(3,), daemon=True).start()  # so that workers cannot be forked from here
SCALE = int(sys.argv[sys.argv.index('--scale') + 1])
class Scale(IterativePE):
    def _process(self, data):
        return data * SCALE
class Show(ConsumerPE):
    def _process(self, value):
        self.log('got %s' % value)
scale = Scale()
graph = WorkflowGraph()
graph.connect(TestProducer(), 'output', scale, 'input')
graph.connect(scale, 'output', Show(), 'input')
""")

    told = old("multi", "wf.py", "--it", "2", "-n", "3", "--scale", "10")

    assert (told.code, lines(told.out)) == (0, Counter(["Show2: got 10", "Show2: got 20"]))


def test_a_name_that_d4py_calls_cannot_be_a_value(old: Any) -> None:
    lay("""
class Own(ProducerPE):
    def __init__(self):
        ProducerPE.__init__(self)
        self.snapshot = {}
graph = WorkflowGraph()
graph.connect(Own(), 'output', TestOneInOneOut(), 'input')
""")

    told = old("simple", "wf.py")

    assert (told.code, told.err) == (
        2,
        "d4py: error: PE 'Own0' has an attribute 'snapshot', which d4py calls. Give it another name.\n",
    )
