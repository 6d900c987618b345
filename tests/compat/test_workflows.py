# SPDX-License-Identifier: Apache-2.0
"""What workflows of dispel4py do in the wild works, on every mapping that is here."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

IMPORTS = """
from dispel4py.core import GenericPE, NAME, TYPE, GROUPING
from dispel4py.base import BasePE, IterativePE, ProducerPE, ConsumerPE, SimpleFunctionPE, CompositePE, create_iterative_chain
from dispel4py.workflow_graph import WorkflowGraph
from dispel4py.examples.graph_testing.testing_PEs import TestProducer, TestOneInOneOut, WordCounter
"""
ON_ALL = pytest.mark.parametrize("mapping", [("simple",), ("multi", "-n", "4"), ("threads", "-n", "4")], ids=" ".join)


def lay(body: str, name: str = "wf.py") -> None:
    Path(name).write_text(IMPORTS + body)


def lines(out: str) -> Counter[str]:
    """Return what PEs printed, without the ranks."""
    return Counter(re.sub(r" \(rank \d+\)", "", line) for line in out.splitlines() if ": got " in line)


@ON_ALL
def test_ports_written_into_the_dictionaries_and_results_by_port(mapping: tuple[str, ...], old: Any) -> None:
    lay("""
class Split(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self.inputconnections = {'numbers': {NAME: 'numbers'}}
        self.outputconnections['odd'] = {NAME: 'odd', TYPE: ['number']}
        self.outputconnections['even'] = dict([(NAME, 'even')])
    def process(self, inputs):
        return {'odd' if inputs['numbers'] % 2 else 'even': inputs['numbers']}

class Show(ConsumerPE):
    def _process(self, value):
        self.log('got %s' % value)

graph = WorkflowGraph()
split, odd, even = Split(), Show(), Show()
odd.name, even.name = 'Odd', 'Even'
graph.connect(TestProducer(), 'output', split, 'numbers')
graph.connect(split, 'odd', odd, 'input')
graph.connect(split, 'even', even, 'input')
""")

    told = old(mapping[0], "wf.py", "-i", "4", *mapping[1:])

    assert told.code == 0, told.err
    odd, even = re.findall(r"(Odd\d+)", told.out)[0], re.findall(r"(Even\d+)", told.out)[0]
    assert lines(told.out) == Counter([f"{odd}: got 1", f"{odd}: got 3", f"{even}: got 2", f"{even}: got 4"])


@ON_ALL
def test_a_total_is_written_to_an_undeclared_output_in_postprocess(
    mapping: tuple[str, ...], old: Any, here: Path
) -> None:
    lay("""
class Total(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input', grouping='global')
        self.total = 0
    def process(self, inputs):
        self.total += inputs['input']
        return {'seen': inputs['input']}
    def _postprocess(self):
        if self.total:
            self.write('total', self.total)
            with open('total', 'w') as file:
                file.write(str(self.total))

graph = WorkflowGraph()
graph.connect(TestProducer(), 'output', Total(), 'input')
""")

    told = old(mapping[0], "wf.py", "-i", "4", *mapping[1:])

    assert (told.code, Path("total").read_text()) == (0, "10")
    if mapping == ("simple",):
        assert "Outputs: {'Total1': {'seen': [1, 2, 3, 4], 'total': [10]}}" in told.out


@ON_ALL
def test_an_undeclared_output_can_be_connected(mapping: tuple[str, ...], old: Any) -> None:
    lay("""
class Twice(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input('input')
    def process(self, inputs):
        return {'twice': 2 * inputs['input']}

class Show(ConsumerPE):
    def _process(self, value):
        self.log('got %s' % value)

graph = WorkflowGraph()
twice = Twice()
graph.connect(TestProducer(), 'output', twice, 'input')
graph.connect(twice, 'twice', Show(), 'input')
""")

    told = old(mapping[0], "wf.py", "-i", "3", *mapping[1:])

    assert (told.code, lines(told.out)) == (0, Counter(["Show2: got 2", "Show2: got 4", "Show2: got 6"]))


@ON_ALL
def test_groupings_and_numbers_set_after_construction(mapping: tuple[str, ...], old: Any) -> None:
    lay("""
class Words(ProducerPE):
    def __init__(self):
        ProducerPE.__init__(self)
        self.at = -1
    def _process(self, inputs):
        self.at += 1
        return [['a', 'b', 'c'][self.at % 3], self.at]

class Count(GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input('input')
        self.seen = {}
    def process(self, inputs):
        word = inputs['input'][0]
        self.seen[word] = self.seen.get(word, 0) + 1
    def postprocess(self):
        for word, number in self.seen.items():
            self.log('got %s %d' % (word, number))

graph = WorkflowGraph()
count = Count()
graph.connect(Words(), 'output', count, 'input')
count.numprocesses = 3
count.inputconnections['input']['grouping'] = [0]
""")

    told = old(mapping[0], "wf.py", "-i", "9", *mapping[1:])

    assert (told.code, lines(told.out)) == (0, Counter(["Count1: got a 3", "Count1: got b 3", "Count1: got c 3"]))


@ON_ALL
def test_pes_that_change_what_they_receive_and_override_write(mapping: tuple[str, ...], old: Any) -> None:
    lay("""
class Lists(ProducerPE):
    def _process(self, inputs):
        return [1]

class Append(IterativePE):
    def _process(self, data):
        data.append(2)
        return data

class Loud(IterativePE):
    def write(self, name, data, **kwargs):
        self._write(name, ['loud', data])
    def process(self, inputs):
        self.write('output', inputs['input'], metadata={'a': 1}, location='x')

class Quiet(IterativePE):
    def _write(self, name, data):
        GenericPE._write(self, name, ['quiet', data])
    def process(self, inputs):
        self.write('output', inputs['input'])

class Show(ConsumerPE):
    def _process(self, value):
        self.log('got %s' % value)

graph = WorkflowGraph()
lists, append, loud, quiet, show = Lists(), Append(), Loud(), Quiet(), Show()
graph.connect(lists, 'output', append, 'input')
graph.connect(lists, 'output', loud, 'input')
graph.connect(loud, 'output', quiet, 'input')
graph.connect(append, 'output', show, 'input')
graph.connect(quiet, 'output', show, 'input')
""")

    told = old(mapping[0], "wf.py", *mapping[1:], *(() if mapping == ("simple",) else ("-n", "5")))

    assert told.code == 0, told.err
    assert lines(told.out) == Counter(["Show4: got [1, 2]", "Show4: got ['quiet', ['loud', [1]]]"])


@ON_ALL
def test_chains_composites_and_functions(mapping: tuple[str, ...], old: Any) -> None:
    lay("""
def add(data, n=1):
    return data + n
def falsy(data):
    return [0, '', [], None][data % 4]

def inner(graph, more):
    first, last = SimpleFunctionPE(add, {'n': more}), SimpleFunctionPE(add)
    graph.connect(first, 'output', last, 'input')
    graph._map_input('in', first, 'input')
    graph._map_output('out', last, 'output')

class Show(ConsumerPE):
    def _process(self, value):
        self.log('got %r' % (value,))

graph = WorkflowGraph()
chain = create_iterative_chain([add, (add, {'n': 10})])
composite = CompositePE(inner, {'more': 1})
shows = Show(), Show()
prod = TestProducer()
graph.connect(prod, 'output', chain, 'input')
graph.connect(chain, 'output', composite, 'in')
graph.connect(composite, 'out', shows[0], 'input')
pe = SimpleFunctionPE(falsy)
graph.connect(prod, 'output', pe, 'input')
graph.connect(pe, 'output', shows[1], 'input')
""")

    told = old(mapping[0], "wf.py", "-i", "4", *mapping[1:], *(() if mapping == ("simple",) else ("-n", "9")))

    assert told.code == 0, told.err
    values = Counter(line.partition(": got ")[2] for line in told.out.splitlines() if ": got " in line)
    assert values == Counter(["14", "15", "16", "17", "''", "[]", "0"])  # None is not sent


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
