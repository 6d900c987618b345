# SPDX-License-Identifier: Apache-2.0
"""What workflows of dispel4py do in the wild works, on every mapping that is here."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from tests.compat.laying import ON_ALL, lay, lines


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
