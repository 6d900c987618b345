# SPDX-License-Identifier: Apache-2.0
"""Scripts that call dispel4py, and how its name is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d4py.compat import finder


@pytest.mark.parametrize("name", sorted(finder.MODULES))
def test_every_name_that_is_served_can_be_imported(name: str, python: Any) -> None:
    code = (
        "from d4py.compat import finder; finder.install(); import importlib, sys; "
        f"m = importlib.import_module({name!r}); assert m is sys.modules[m.__spec__.name]; print(m.__name__)"
    )
    told = python("-c", code)

    assert (told.code, told.out) == (0, f"d4py.compat.{finder.MODULES[name]}\n"), told.err


def test_nothing_is_called_dispel4py_where_it_is_not_asked_for(python: Any) -> None:
    told = python("-S", "-c", "import d4py\ntry:\n import dispel4py\nexcept ImportError: print('absent')")

    assert told.out == "absent\n"


def test_what_is_not_ours_comes_from_a_dispel4py_on_the_path(python: Any, here: Path) -> None:
    extra = here / "lib" / "dispel4py" / "new"
    extra.mkdir(parents=True)
    (extra.parent / "__init__.py").write_text("raise RuntimeError('the original is not run')\n")
    (extra / "__init__.py").write_text("")
    (extra / "own_mapping.py").write_text(
        "from dispel4py.core import GenericPE\n"
        "def process(graph, inputs, args):\n    print('mine', GenericPE.__module__, sorted(inputs.values()))\n"
    )
    (here / "wf.py").write_text(
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "from dispel4py.examples.graph_testing.testing_PEs import TestProducer\n"
        "graph = WorkflowGraph()\ngraph.add(TestProducer())\n"
    )

    told = python("-m", "d4py.compat", "dispel4py.new.own_mapping", "wf.py", "-i", "3", path=here / "lib")

    assert (told.code, told.err) == (0, "")
    assert "mine d4py.compat.core [3]" in told.out


SCRIPT = """
from dispel4py.base import ProducerPE, ConsumerPE
from dispel4py.workflow_graph import WorkflowGraph
from dispel4py.new.multi_process import process as multi
from dispel4py.new import simple_process
import sys
from argparse import Namespace

class Numbers(ProducerPE):
    def _process(self, inputs):
        return 7

class Show(ConsumerPE):
    def _process(self, value):
        import dispel4py.core  # found in the worker, too
        self.log('got %d of %s' % (value, dispel4py.core.GenericPE.__module__))

graph = WorkflowGraph()
numbers = Numbers()
graph.connect(numbers, 'output', Show(), 'input')
if __name__ == '__main__':
    print(sys.argv[1:])
    simple_process.process(graph, {numbers: 1})
    multi(graph, {numbers: 2}, Namespace(num=2, simple=False))
"""


def test_a_script_calls_dispel4py_with_pes_of_its_own(python: Any, here: Path) -> None:
    (here / "script.py").write_text(SCRIPT)

    told = python("-m", "d4py.compat", "script.py", "a", "b")

    assert (told.code, told.err) == (0, "")
    assert "['a', 'b']" in told.out
    assert "Inputs: {'Numbers0': 1}" in told.out
    assert told.out.count("Show1: got 7 of d4py.compat.core") == 1
    assert told.out.count("Show1 (rank 1): got 7 of d4py.compat.core") == 2


CHANGED = """
import argparse, helper
from dispel4py.base import ProducerPE, IterativePE
from dispel4py.workflow_graph import WorkflowGraph
from dispel4py.new.multi_process import process
import threading
LOCK = threading.Lock()
class Two(ProducerPE):
    def _process(self, inputs):
        return 2
class Scale(IterativePE):
    def _process(self, data):
        with LOCK:
            return data * helper.factor
helper.factor = 10
graph = WorkflowGraph()
two = Two()
graph.connect(two, 'output', Scale(), 'input')
queue = process(graph, {two: 1}, argparse.Namespace(num=2, simple=False, results=True))
print(queue.get())
queue.close()
queue.join_thread()
"""


def test_workers_see_what_the_script_has_changed(python: Any, here: Path) -> None:
    (here / "helper.py").write_text("factor = 1\n")
    (here / "script.py").write_text(CHANGED)

    told = python("-m", "d4py.compat", "script.py")

    assert (told.code, told.err) == (0, "")
    assert "('Scale1', 'output', 20)" in told.out


def test_where_workers_cannot_see_it_the_script_is_told(python: Any, here: Path) -> None:
    (here / "helper.py").write_text("factor = 1\n")
    lines = CHANGED.replace(
        "LOCK = threading.Lock()", "threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    (here / "script.py").write_text(lines.replace("        with LOCK:\n    ", ""))

    told = python("-m", "d4py.compat", "script.py")

    assert told.code == 0, told.err
    assert told.err.startswith("d4py: note: this program has threads, so its workers load the workflow anew")


def test_what_a_script_raises_is_told_as_python_tells_it(python: Any, here: Path) -> None:
    (here / "script.py").write_text("def load(name):\n    return open(name)\n\nload('absent.json')\n")
    (here / "pe.py").write_text(
        "from dispel4py.base import ProducerPE\nfrom dispel4py.workflow_graph import WorkflowGraph\n"
        "from dispel4py.new.simple_process import process_and_return\n"
        "class Bad(ProducerPE):\n    def _process(self, inputs):\n        raise ValueError('no data')\n"
        "graph = WorkflowGraph()\ngraph.add(Bad())\nprocess_and_return(graph, 1)\n"
    )

    told, pe = python("-m", "d4py.compat", "script.py"), python("-m", "d4py.compat", "pe.py")

    assert told.code == 1
    assert [line.strip() for line in told.err.splitlines()][:3] == [
        "Traceback (most recent call last):",
        'File "script.py", line 4, in <module>',
        "load('absent.json')",
    ]
    assert "runpy" not in told.err
    assert (pe.code, pe.err.splitlines()[0]) == (
        3,
        "d4py: error: PE 'Bad0', instance Bad0, call 0: ValueError: no data",
    )
    assert pe.err.splitlines()[-1] == "ValueError: no data"


def test_any_name_of_provenance_can_be_imported_and_says_that_nothing_is_recorded(python: Any) -> None:
    code = "from dispel4py.provenance import ProvenanceType, get_source; get_source(1)"
    told = python("-c", f"from d4py.compat import finder; finder.install(); {code}")

    assert (told.code, told.err) == (0, "d4py: warning: Provenance is not there yet: this run records none.\n")


def test_a_script_that_fails_ends_as_python_ends_it(python: Any, here: Path) -> None:
    (here / "exits.py").write_text("import sys\nsys.exit(7)\n")

    assert python("-m", "d4py.compat", "exits.py").code == 7
    assert "There is no file 'absent.py'" in python("-m", "d4py.compat", "absent.py").err
