# SPDX-License-Identifier: Apache-2.0
"""Bad input gets one clear line: what, where, and what to do; never a traceback."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.errors.conftest import GOOD, Call

import d4py

SOURCE_ROOT = Path(d4py.__file__).parents[1]
FLAGSHIP = SOURCE_ROOT.parent / "workflows" / "ambient_noise"
HEAD = "import d4py\n"
OWN_LINES = re.compile(r'File ".*/d4py/')
ONE = HEAD + "@d4py.producer\ndef one():\n    yield 1\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: files to make, commands before it, the command, and what its one line must say."""

    name: str
    argv: str
    says: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    damage: Mapping[str, str] = field(default_factory=dict)  # files overwritten after `before`
    code: int = 2


def workflow(body: str, head: str = HEAD) -> dict[str, str]:
    return {"w.py": head + body}


CASES = [
    # The command and its options
    Case(name="no such command", argv="rum good.py", says=("'rum'", "Did you mean 'run'?")),
    Case(name="no such option of the program", argv="--verison", says=("option '--verison'", "d4py help")),
    Case(name="no such option", argv="run good.py --mappign simple", says=("d4py run", "'--mappign'", "Did you mean '--mapping'?")),
    Case(name="an option too short to be one", argv="run good.py --map simple", says=("'--map'", "--mapping")),
    Case(name="no workflow", argv="run", says=("d4py run", "WORKFLOW", "--help")),
    Case(name="two workflows", argv="run good.py other.py", says=("'other.py'", "d4py run --help")),
    Case(name="an option without its value", argv="run good.py -n", says=("-n/--processes", "expected one argument", "--help")),
    Case(
        name="a billion processes",
        argv="run good.py --mapping threads -n 1000000000",
        says=("The plan would have", "instances", "1,048,576 are the most", "-n"),
    ),
    Case(
        name="more workers than the system has descriptors for",
        argv="run good.py --mapping multi -n 20000 --no-fuse",
        says=("-n",),
    ),
    Case(
        name="a misspelt process",
        argv="run w.py",
        files=workflow(
            ONE.removeprefix(HEAD)
            + "class Add(d4py.GenericPE):\n"
            "    def __init__(self):\n        super().__init__()\n        self._add_input('input')\n"
            "    def procces(self, inputs):\n        pass\n"
            "workflow = one() >> Add()\n"
        ),
        says=("PE 'Add' has no process(), but 'procces'", "Define process()"),
    ),
    Case(
        name="a value that has no such element to group by",
        argv="run w.py --mapping threads -n 4",
        files=workflow(
            ONE.removeprefix(HEAD)
            + "class Add(d4py.GenericPE):\n"
            "    def __init__(self):\n        super().__init__(numprocesses=2)\n        self._add_input('input', grouping=[0])\n"
            "    def process(self, inputs):\n        pass\n"
            "workflow = one() >> Add()\n"
        ),
        says=("PE 'one'", "The value 1 cannot be grouped by [0]", "value[element]"),
        code=3,
    ),
    Case(name="zero processes", argv="run good.py -n 0", says=("-n/--processes", "'0'", "at least 1")),
    Case(name="processes that are no number", argv="run good.py -n x", says=("-n/--processes", "'x'", "whole number")),
    Case(name="half a process", argv="run good.py -n 1.5", says=("-n/--processes", "'1.5'", "whole number")),
    Case(name="more processes than anyone can count", argv="run good.py -n 99999999999999999999", says=("-n/--processes", "whole number")),
    Case(name="no such mapping", argv="run good.py --mapping mutli", says=("'mutli'", "'simple', 'threads', 'multi'", "Did you mean 'multi'?")),
    Case(name="an empty mapping", argv="run good.py --mapping ''", says=("mapping ''", "'simple'")),
    Case(name="negative checkpoints", argv="run good.py --checkpoint -1", says=("--checkpoint", "'-1'", "above 0")),
    Case(name="checkpoints that are no time", argv="run good.py --checkpoint often", says=("--checkpoint", "'often'", "seconds")),
    Case(name="checkpoints that are not a number", argv="run good.py --checkpoint nan", says=("--checkpoint", "'nan'")),
    Case(name="negative restarts", argv="run good.py --restarts -1", says=("--restarts", "'-1'", "at least 0")),
    Case(name="a port beyond the last", argv="run good.py --metrics 70000", says=("--metrics", "'70000'", "65535")),
    Case(name="an id that is a path", argv="run good.py --run-id ../x", says=("--run-id", "'../x'", "letters")),
    Case(name="a form that is none", argv="list -o yaml", says=("-o/--format", "'yaml'", "'text', 'json'")),
    Case(name="help on no command", argv="help rnu", says=("'rnu'", "Did you mean 'run'?")),
    Case(name="a shell without completion", argv="completion csh", says=("shell", "'csh'", "'bash'")),
    # Error policies
    Case(name="no such policy", argv="run good.py --on-error ignore", says=("'ignore'", "'quarantine'", "'retry:3'")),
    Case(name="retries that are no number", argv="run good.py --on-error retry:x", says=("'retry:x'", "'retry:3'")),
    Case(name="a policy for no PE", argv="run good.py --on-error dbl=fail", says=("'dbl'", "numbers, double")),
    Case(name="a bad policy for a PE", argv="run good.py --on-error double=maybe", says=("'double'", "'maybe'", "'quarantine'")),
    Case(name="two policies for the run", argv="run good.py --on-error fail --on-error quarantine", says=("--on-error fail", "PE=POLICY")),
    Case(name="a policy of a PE that is none", argv="run w.py", files=workflow("class A(d4py.ProducerPE):\n    on_error = 'explode'\ng = d4py.WorkflowGraph()\ng.add(A())\n"), says=("'A'", "'explode'", "'quarantine'")),
    # Finding the workflow
    Case(name="a file that is not there", argv="run god.py", says=("'god.py'", "Did you mean 'good.py'?")),
    Case(name="a file in a folder that is not there", argv="run nowhere/w.py", says=("'nowhere/w.py'", "no folder 'nowhere'")),
    Case(name="a file that is not Python", argv="run data.csv", files={"data.csv": "1,2\n"}, says=("'data.csv'", "not a Python file", ".py")),
    Case(name="a folder without a workflow", argv="run empty", files={"empty/readme.txt": ""}, says=("'empty'", "no workflow.py")),
    Case(name="a module that is not there", argv="run no.such.module", says=("'no.such.module'", "package.module")),
    Case(name="a module without a graph", argv="run json", says=("json", "no workflow graph", "configure()")),
    Case(name="an empty name", argv="run ''", says=("''", "workflow.py")),
    Case(name="a name too long for a file", argv=f"run {'x' * 5000}.py", says=("xxx", ".py")),
    # Loading it
    Case(name="a file without a graph", argv="run w.py", files=workflow("x = 1\n"), says=("w.py", "no workflow graph", "Assign one to a variable")),
    Case(name="an empty file", argv="run w.py", files={"w.py": ""}, says=("w.py", "no workflow graph")),
    Case(name="two graphs", argv="run w.py", files=workflow("first = one() >> d4py.iterative(abs_)()\nsecond = d4py.WorkflowGraph()\nsecond.add(one())\n", ONE + "def abs_(x):\n    return x\n"), says=("2 graphs", "'first', 'second'", "w.py:first")),
    Case(name="a graph by a name that is not there", argv="run w.py:fist", files=workflow("first = d4py.WorkflowGraph()\nfirst.add(one())\n", ONE), says=("'fist'", "'first'", "Did you mean 'first'?")),
    Case(name="--graph with a name that is not there", argv="run good.py --graph work", says=("'work'", "Did you mean 'workflow'?")),
    Case(name="a graph that is something else", argv="run good.py:numbers", says=("'numbers'", "'workflow'")),
    Case(name="a syntax error", argv="run w.py", files=workflow("x = (\ny = 1 1\n"), says=("syntax error", "w.py", "line 2")),
    Case(name="an indentation error", argv="run w.py", files=workflow("if True:\nx = 1\n"), says=("w.py", "line 3")),
    Case(name="null bytes", argv="run w.py", files={"w.py": "x = 1\0\n"}, says=("w.py", "null bytes")),
    Case(name="bytes that are not UTF-8", argv="run w.py", files={"w.py": "latin-1:x = '\xe9'\n"}, says=("w.py", "line 1")),
    Case(name="a syntax error in what it imports", argv="run w.py", files={**workflow("import part\n"), "part.py": "def (:\n"}, says=("part.py", "line 1")),
    Case(name="an import that is not installed", argv="run w.py", files=workflow("import seismolgy_tools\n"), says=("w.py", "'seismolgy_tools'", "Install 'seismolgy_tools'")),
    Case(name="a name that its module lacks", argv="run w.py", files=workflow("from d4py import Producer\n"), says=("w.py", "'Producer'")),
    Case(name="an exception while it is loaded", argv="run w.py", files=workflow("\n\n1 / 0\n"), says=("w.py", "line 4", "ZeroDivisionError", "while it was loaded")),
    Case(name="an exception in a function it calls", argv="run w.py", files=workflow("def f():\n    return {}['key']\nf()\n"), says=("w.py", "line 3", "KeyError", "'key'")),
    Case(name="an exit while it is loaded", argv="run w.py", files=workflow("import sys\nsys.exit(0)\n"), says=("w.py", "exit(0)", "__main__")),
    Case(name="endless recursion", argv="run w.py", files=workflow("def f():\n    return f()\nf()\n"), says=("w.py", "RecursionError")),
    Case(name="configure without a result", argv="run w.py", files=workflow("def configure():\n    pass\n"), says=("configure()", "None", "return a WorkflowGraph")),
    Case(name="configure that raises", argv="run w.py", files=workflow("def configure():\n    raise RuntimeError('no data today')\n"), says=("w.py", "line 3", "no data today")),
    Case(name="configure without a value it needs", argv="run w.py", files=workflow("def configure(data):\n    pass\n"), says=("'data'", "no default", "--set data=")),
    Case(name="configure that is no function", argv="run w.py", files=workflow("class C:\n    def __call__(self):\n        pass\nconfigure = C()\n"), says=("w.py", "configure")),
    # Drawing the graph
    Case(name="an output that is not there", argv="run w.py", files=workflow("g = d4py.WorkflowGraph()\ng.connect(one(), 'out', d4py.IterativePE(), 'input')\n", ONE), says=("'one'", "no output 'out'", "Did you mean 'output'?")),
    Case(name="an input that is not there", argv="run w.py", files=workflow("g = d4py.WorkflowGraph()\ng.connect(one(), 'output', d4py.IterativePE(), 'inptu')\n", ONE), says=("'IterativePE'", "no input 'inptu'", "Did you mean 'input'?")),
    Case(name="types that exclude each other", argv="run w.py", files=workflow("@d4py.producer\ndef words() -> str:\n    return 'a'\n@d4py.iterative\ndef double(x: int) -> int:\n    return x\ng = words() >> double()\n"), says=("'words'", "str", "'double'", "int", "annotation")),
    Case(name="a class instead of an object", argv="run w.py", files=workflow("g = one() >> d4py.IterativePE\n", ONE), says=("class 'IterativePE'", "Call it", "IterativePE()")),
    Case(name="a function without its decorator", argv="run w.py", files=workflow("def f(x):\n    return x\ng = one() >> f\n", ONE), says=("function 'f'", "not a PE", "Decorate it")),
    Case(name="a factory that was not called", argv="run w.py", files=workflow("g = one >> d4py.IterativePE()\n", ONE), says=("one was not called", "one() >>")),
    Case(name="a factory that was not called, on the right", argv="run w.py", files=workflow("@d4py.iterative\ndef f(x):\n    return x\ng = one() >> f\n", ONE), says=("'f'", "Call it", "f()")),
    Case(name="an undecorated function in a graph", argv="run w.py", files=workflow("g = d4py.WorkflowGraph()\ng.add(print)\n"), says=("'print'", "not a PE")),
    Case(name="a PE that forgets super().__init__()", argv="run w.py", files=workflow("class A(d4py.IterativePE):\n    def __init__(self):\n        pass\ng = one() >> A()\n", ONE), says=("'A'", "super().__init__()")),
    Case(name="a PE that declares ports before super().__init__()", argv="run w.py", files=workflow("class A(d4py.GenericPE):\n    def __init__(self):\n        self._add_input('input')\ng = one() >> A()\n", ONE), says=("'A'", "super().__init__()")),
    Case(name="a PE with two inputs behind >>", argv="run w.py", files=workflow("class A(d4py.GenericPE):\n    def __init__(self):\n        super().__init__()\n        self._add_input('a')\n        self._add_input('b')\ng = one() >> A()\n", ONE), says=("'A'", "2 inputs", "'a', 'b'", "graph.connect()")),
    Case(name="a source behind >>", argv="run w.py", files=workflow("g = one() >> one()\n", ONE), says=("'one'", "0 inputs", "connect")),
    Case(name="no such parameter of a function PE", argv="run w.py", files=workflow("@d4py.producer\ndef numbers(count=1):\n    yield 1\ng = d4py.WorkflowGraph()\ng.add(numbers(conut=2))\n"), says=("numbers()", "'conut'", "Did you mean 'count'?")),
    Case(name="a function PE that takes no value", argv="run w.py", files=workflow("@d4py.iterative\ndef f():\n    return 1\ng = one() >> f()\n", ONE), says=("f()", "takes no value", "@d4py.producer")),
    Case(name="a graph without PEs", argv="run w.py", files=workflow("g = d4py.WorkflowGraph()\n"), says=("no PE", "graph.connect")),
    Case(name="a circle", argv="run w.py", files=workflow("@d4py.iterative\ndef f(x):\n    return x\n@d4py.iterative\ndef h(x):\n    return x\ng = d4py.WorkflowGraph()\na, b = f(), h()\ng.connect(a, 'output', b, 'input')\ng.connect(b, 'output', a, 'input')\n"), says=("circle", "f -> h", "must not have cycles")),
    Case(name="a PE that feeds itself", argv="graph w.py", files=workflow("a = d4py.IterativePE()\ng = d4py.WorkflowGraph()\ng.connect(a, 'output', a, 'input')\n"), says=("circle", "IterativePE")),
    Case(name="no such grouping", argv="run w.py", files=workflow("class A(d4py.GenericPE):\n    def __init__(self):\n        super().__init__()\n        self._add_input('input', grouping='globall')\ng = one() >> A()\n", ONE), says=("'input'", "'A'", "'globall'", "'global'")),
    Case(name="a grouping that is a number", argv="run w.py", files=workflow("class A(d4py.GenericPE):\n    def __init__(self):\n        super().__init__()\n        self._add_input('input', grouping=0)\ng = one() >> A()\n", ONE), says=("'input'", "'A'", "grouping 0", "[0]")),
    Case(name="zero copies of a PE", argv="run w.py", files=workflow("a = d4py.IterativePE()\na.numprocesses = 0\ng = one() >> a\n", ONE), says=("'IterativePE'", "numprocesses = 0", "at least 1")),
    Case(name="copies that are no number", argv="plan w.py", files=workflow("a = d4py.IterativePE(numprocesses='two')\ng = one() >> a\n", ONE), says=("'IterativePE'", "numprocesses = 'two'")),
    Case(name="more keyed copies than there are keys", argv="plan w.py -m threads", files=workflow("class A(d4py.GenericPE):\n    def __init__(self):\n        super().__init__(300)\n        self._add_input('input', grouping=[0])\ng = one() >> A()\n", ONE), says=("'A'", "300", "256", "numprocesses")),
    Case(name="no such way to replay", argv="run w.py", files=workflow("class A(d4py.ProducerPE):\n    replay = 'again'\ng = d4py.WorkflowGraph()\ng.add(A())\n"), says=("'A'", "'again'", "'spool'")),
    # Parameters
    Case(name="no such parameter", argv="run good.py --set scal=3", says=("'scal'", "'n'", "Did you mean 'scale'?")),
    Case(name="a parameter without a value", argv="run good.py --set n", says=("--set", "'n'", "name=value")),
    Case(name="a parameter without a name", argv="run good.py --set =3", says=("--set", "'=3'", "name=value")),
    Case(name="a whole number that is text", argv="run good.py --set n=many", says=("'n'", "int", "'many'", "--set n=10")),
    Case(name="a whole number that is a fraction", argv="run good.py --set n=2.5", says=("'n'", "int", "'2.5'")),
    Case(name="a fraction that is text", argv="run good.py --set scale=big", says=("'scale'", "float", "'big'", "--set scale=0.5")),
    Case(name="a switch that is a number", argv="run good.py --set loud=2", says=("'loud'", "bool", "'2'", "--set loud=true")),
    Case(name="a list that is not one", argv="run good.py --set sizes=1,2,[", says=("'sizes'", "list", "[1,2]")),
    Case(name="a list with a call in it", argv="run good.py --set 'sizes=[open(0)]'", says=("'sizes'", "list", "[1,2]")),
    Case(name="a list too deep to read", argv="run good.py --set sizes=" + "[" * 300, says=("'sizes'", "list")),
    Case(name="a parameter of several PEs", argv="run w.py --set n=1", files=workflow("@d4py.producer\ndef a(n=1):\n    yield n\n@d4py.iterative\ndef b(x, n=1):\n    return x\ng = a() >> b()\n"), says=("'n'", "'a', 'b'", "--set a.n=")),
    Case(name="a parameter of a workflow that has none", argv="run w.py --set n=1", files=workflow("g = d4py.WorkflowGraph()\ng.add(one())\n", ONE), says=("'n'", "has none")),
    Case(name="no such parameter of configure", argv="run w.py --set dat=x", files=workflow("def configure(data: str = ''):\n    pass\n"), says=("'dat'", "Did you mean 'data'?")),
    Case(name="a wrong value for configure", argv="run w.py --set lag=x", files=workflow("def configure(lag: float = 1.0):\n    pass\n"), says=("'lag'", "float", "'x'")),
    Case(name="no such parameter of workflow.toml", argv="run f --set winodw_s=1", files={"f/workflow.py": GOOD, "f/workflow.toml": "[parameters]\nwindow_s = 60.0\n"}, says=("'winodw_s'", "'window_s'", "Did you mean 'window_s'?")),
    # workflow.toml
    Case(name="broken TOML", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "[parameters]\nn = \n"}, says=("workflow.toml", "line 2")),
    Case(name="parameters that are no table", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "parameters = 3\n"}, says=("[parameters]", "workflow.toml", "name = default")),
    Case(name="a parameter of workflow.toml that the code lacks", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "[parameters]\nspeed = 3\n"}, says=("'speed'",)),
    Case(name="a wrong value in workflow.toml", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "[parameters]\nn = 'many'\n"}, says=("'n'", "int", "'many'")),
    Case(name="defaults that are no table", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "defaults = 'multi'\n"}, says=("[defaults]", "table")),
    Case(name="no such default", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "[defaults]\nmaping = 'multi'\n"}, says=("[defaults]", "'maping'", "Did you mean 'mapping'?")),
    Case(name="no such mapping in workflow.toml", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "[defaults]\nmapping = 'mpj'\n"}, says=("'mpj'", "'simple'")),
    Case(name="a default of zero processes", argv="plan f", files={"f/workflow.py": GOOD, "f/workflow.toml": "[defaults]\nprocesses = 0\n"}, says=("[defaults]", "processes = 0", "at least 1")),
    Case(name="bytes in workflow.toml that are not UTF-8", argv="run f", files={"f/workflow.py": GOOD, "f/workflow.toml": "latin-1:# \xe9\n"}, says=("workflow.toml",)),
    # Input data
    Case(name="JSON with a slip", argv="""run good.py -d '{"numbers": 1,}'""", says=("-d", "not JSON", "column 15")),
    Case(name="JSON that stops", argv="""run good.py -d '{"numbers":'""", says=("-d", "not JSON", "column 12")),
    Case(name="no JSON at all", argv="run good.py -d numbers=1", says=("-d", "not JSON", "column 1", '{"PE": 10}')),
    Case(name="JSON that is a list", argv="run good.py -d [1]", says=("-d", "list", "object")),
    Case(name="JSON too deep to read", argv="run good.py -d " + "[" * 100_000, says=("-d", "too deep")),
    Case(name="input for no PE", argv="""run good.py -d '{"number": 1}'""", says=("'number'", "'numbers', 'double'", "Did you mean 'numbers'?")),
    Case(name="input for a name that two PEs have", argv="""run w.py -d '{"IterativePE": [{"input": 1}], "x": 1}'""", files=workflow("g = one() >> d4py.IterativePE() >> d4py.IterativePE()\nfor pe in g.pes[1:]:\n    pe.id = 'a' + str(g.pes.index(pe))\n", ONE), says=("'IterativePE'", "2 PEs", "'a1', 'a2'", "id")),
    Case(name="input for no port", argv="""run good.py -d '{"double": [{"inptu": 1}]}'""", says=("'double'", "'inptu'", "Did you mean 'input'?")),
    Case(name="input that is text", argv="""run good.py -d '{"double": "x"}'""", says=("'double'", "'x'", "list of {input: value}")),
    Case(name="input that is no object", argv="""run good.py -d '{"double": [1]}'""", says=("Input 0", "'double'", "{input: value}")),
    Case(name="iterations for a PE that is fed", argv="""run good.py -d '{"double": 3}'""", says=("'double'", "fed by another PE", "list of inputs")),
    Case(name="negative iterations of a PE", argv="""run good.py -d '{"numbers": -3}'""", says=("'numbers'", "-3")),
    Case(name="iterations that are true", argv="""run good.py -d '{"numbers": true}'""", says=("'numbers'", "True")),
    Case(name="input for a parameter that a source lacks", argv="""run good.py -d '{"numbers": [{"m": 1}]}'""", says=("'numbers'", "'m'")),
    Case(name="negative iterations", argv="run good.py -i -1", says=("iterations", "-1", "at least 0")),
    Case(name="iterations that are no number", argv="run good.py -i lots", says=("-i/--iterations", "'lots'", "whole number")),
    Case(name="a file of input that is not there", argv="run good.py -f input.json", says=("'input.json'", "No such file", "-f")),
    Case(name="a file of input that is a folder", argv="run good.py -f d", files={"d/x": ""}, says=("'d'", "directory", "-f")),
    Case(name="a file of input with a slip", argv="run good.py -f i.json", files={"i.json": '{\n  "numbers": [}\n'}, says=("'i.json'", "line 2, column 15")),
    Case(name="a file of input that is not UTF-8", argv="run good.py -f i.json", files={"i.json": "latin-1:\xe9"}, says=("'i.json'", "UTF-8")),
    Case(name="a data path without data", argv=f"run {FLAGSHIP} --set data=/nowhere", says=("data path '/nowhere'", "name a folder of waveform files")),
    Case(name="a data path without waveforms", argv=f"run {FLAGSHIP} --set data=d", files={"d/readme.txt": ""}, says=("d'", "no waveform", "MiniSEED")),
    # Files that a run writes
    Case(name="an output file in no folder", argv="run good.py --output nowhere/out.jsonl", says=("'nowhere/out.jsonl'", "does not exist", "mkdir -p")),
    Case(name="an output file that is a folder", argv="run good.py --output d", files={"d/x": ""}, says=("'d'", "folder", "--output")),
    Case(name="a run folder that holds a run", argv="run good.py --run-dir r/a", before=("run good.py --run-dir r/a",), says=("'r/a'", "already holds a run", "d4py resume")),
    Case(name="a run folder below a file", argv="run good.py --run-dir good.py/r", says=("'good.py/r'", "Not a directory", "--run-dir")),
    Case(name="a picture whose name says nothing", argv="graph good.py -o graph.pgn", says=("'graph.pgn'", "'.svg'", "--format")),
    Case(name="a picture in no folder", argv="graph good.py -o nowhere/g.svg", says=("'nowhere/g.svg'", "No such file", "-o")),
    # Runs
    Case(name="no such run", argv="status 2026", says=("'2026'", "d4py list")),
    Case(name="an id with a slip", argv="status night-ruun", before=("run good.py --run-id night-run",), says=("'night-ruun'", "Did you mean 'night-run'?")),
    Case(name="the start of two ids", argv="logs night", before=("run good.py --run-id night1", "run good.py --run-id night2"), says=("'night'", "2 runs", "d4py list")),
    Case(name="a folder that holds no run", argv="status d/", files={"d/x": ""}, says=("'d/'", "d4py list")),
    Case(name="no run to wait for", argv="wait nobody", says=("'nobody'", "d4py list")),
    Case(name="no run to cancel", argv="cancel nobody", says=("'nobody'", "d4py list")),
    Case(name="a run that is done cannot be cancelled", argv="cancel r/a", before=("run good.py --run-dir r/a",), says=("cancelled", "it is done", "d4py status")),
    Case(name="a run that is done cannot be suspended", argv="suspend r/a", before=("run good.py --run-dir r/a",), says=("suspended", "it is done", "d4py status")),
    Case(name="a run that is done takes no checkpoint", argv="snapshot r/a", before=("run good.py --run-dir r/a",), says=("checkpoint", "it is done", "d4py status")),
    Case(name="a run that is done cannot be resumed", argv="resume r/a", before=("run good.py --run-dir r/a",), says=("is complete", "d4py outputs")),
    Case(name="code that has changed", argv="resume r/a", files=workflow("@d4py.producer\ndef a():\n    raise OSError\ng = d4py.WorkflowGraph()\ng.add(a())\n"), before=("run w.py --run-dir r/a",), damage={"w.py": GOOD}, says=("'w'", "has changed", "--accept-changes")),
    Case(name="code that is gone", argv="resume r/a", files=workflow("@d4py.producer\ndef a():\n    raise OSError\ng = d4py.WorkflowGraph()\ng.add(a())\n"), before=("run w.py --run-dir r/a",), damage={"w.py": "-"}, says=("w.py", "No such file")),
    Case(name="nothing to retry", argv="retry r/a", before=("run good.py --run-dir r/a",), says=("no items in quarantine", "d4py status")),
    Case(name="a state that is damaged", argv="status r/a", before=("run good.py --run-dir r/a",), damage={"r/a/state.json": "{"}, says=("state.json", "damaged", "prune")),
    Case(name="a state that is something else", argv="status r/a", before=("run good.py --run-dir r/a",), damage={"r/a/state.json": "[]"}, says=("state.json", "damaged")),
    Case(name="a state with a status that is none", argv="wait r/a", before=("run good.py --run-dir r/a",), damage={"r/a/state.json": '{"run": "a", "status": "asleep"}'}, says=("state.json", "damaged", "asleep")),
    Case(name="a run of another version", argv="outputs r/a", before=("run good.py --run-dir r/a",), damage={"r/a/run.json": '{"version": 99, "id": "a"}'}, says=("99", "d4py that made it")),
    Case(name="a plan that is damaged", argv="logs r/a", before=("run good.py --run-dir r/a",), damage={"r/a/plan.json": '{"version": 1}'}, says=("plan.json", "damaged")),
    Case(name="outputs that are gone", argv="outputs r/a", before=("run good.py --run-dir r/a",), damage={"r/a/outputs/00000.0001.spool": "-"}, says=("spool", "gone", "run it again")),
    Case(name="outputs that are cut short", argv="audit r/a", before=("run good.py --run-dir r/a",), damage={"r/a/outputs/00000.0001.spool": ""}, says=("spool", "cut short")),
    Case(name="a part of a checkpoint that is damaged", argv="audit r/a", before=("run good.py --run-dir r/a",), damage={"r/a/parts/0001-end-00000.part": "x"}, says=("0001-end-00000.part", "damaged", "run it again")),
    Case(name="a commit that is damaged", argv="audit r/a", before=("run good.py --run-dir r/a",), damage={"r/a/commits/e000001-g0001.json": "{}"}, says=("e000001-g0001.json", "damaged", "run it again")),
    Case(name="a run.json that is a list", argv="outputs r/a", before=("run good.py --run-dir r/a",), damage={"r/a/run.json": "[]"}, says=("run.json", "damaged", "prune")),
    Case(name="a PE that exits before the first item", argv="run w.py", files=workflow("class A(d4py.ProducerPE):\n    def _preprocess(self):\n        exit(3)\ng = d4py.WorkflowGraph()\ng.add(A())\n"), says=("'A'", "preprocess", "SystemExit: 3"), code=3),
    Case(name="outputs of no PE", argv="outputs r/a --pe dubble", before=("run good.py --run-dir r/a",), says=("'dubble'", "Did you mean 'double'?")),
    Case(name="some outputs to a file", argv="outputs r/a --pe double --output o", before=("run good.py --run-dir r/a",), says=("--output", "--pe")),
    Case(name="logs of no PE", argv="logs r/a dubble", before=("run good.py --run-dir r/a",), says=("'dubble'", "Did you mean 'double'?")),
    Case(name="nothing to prune", argv="prune", says=("not told which", "--older 30d")),
    Case(name="prune by name and by rule", argv="prune r/a --all", before=("run good.py --run-dir r/a",), says=("by name or by a rule", "Leave out one")),
    Case(name="an age that is none", argv="prune --older fortnight", says=("--older", "'fortnight'", "30d")),
    # What only comes out while it runs: exit 3
    Case(name="a PE that raises", argv="run w.py", files=workflow("@d4py.iterative\ndef invert(x):\n    return 1 / (x - 1)\ng = one() >> invert()\n", ONE), says=("'invert'", "instance invert", "item 0", "input 1", "ZeroDivisionError"), code=3),
    Case(name="a write to no output", argv="run w.py", files=workflow("class A(d4py.IterativePE):\n    def _process(self, x):\n        self.write('out', x)\ng = one() >> A()\n", ONE), says=("'A'", "no output 'out'", "Did you mean 'output'?"), code=3),
    Case(name="a PE that exits", argv="run w.py", files=workflow("@d4py.iterative\ndef leave(x):\n    raise SystemExit(0)\ng = one() >> leave()\n", ONE), says=("'leave'", "item 0", "SystemExit: 0"), code=3),
    Case(name="a value that cannot be kept", argv="run w.py", files=workflow("@d4py.iterative\ndef f(x):\n    return lambda: x\ng = one() >> f()\n", ONE), says=("'f'", "output'", "cannot be kept", "plain data"), code=3),
]  # fmt: skip


def lay(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if text == "-":
            path.unlink()
        elif text.startswith("latin-1:"):
            path.write_bytes(text.removeprefix("latin-1:").encode("latin-1"))
        else:
            path.write_text(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input_gets_one_line_that_names_thing_place_and_remedy(case: Case, call: Call, here: Path) -> None:
    lay({"good.py": GOOD, **case.files})
    for line in case.before:
        call(line)
    lay(case.damage)

    told = call(case.argv)

    first = told.err.splitlines()[0] if told.err else ""
    assert told.code == case.code, told
    assert first.startswith("d4py: error: ")
    assert [words for words in case.says if words not in first] == []
    if case.code == 2:
        assert told.err.count("\n") == 1
        assert told.out == ""
    assert OWN_LINES.search(told.err) is None


@pytest.mark.parametrize("name", ["no such command", "no such mapping", "a syntax error", "a PE that raises"])
def test_the_program_says_the_same(name: str, call: Call, here: Path) -> None:
    case = next(case for case in CASES if case.name == name)
    lay({"good.py": GOOD, **case.files})

    program = subprocess.run(
        [sys.executable, "-m", "d4py.cli.main", *shlex.split(case.argv)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
    )

    assert (program.returncode, program.stderr) == (case.code, call(case.argv).err)


def test_a_state_that_cannot_be_pickled_is_warned_of_with_the_attribute(call: Call, here: Path) -> None:
    lay(
        workflow(
            "import threading\nclass A(d4py.IterativePE):\n    def __init__(self):\n        super().__init__()\n        self.guard = threading.Lock()\n    def _process(self, data):\n        return data\ng = one() >> A()\n",
            ONE,
        )
    )

    told = call("run w.py")

    assert told.code == 0
    assert told.err.startswith(
        "d4py: warning: This run takes no checkpoints: PE 'A': attribute 'guard' cannot be pickled"
    )
    assert "pickleIgnore = ['guard']" in told.err


def test_a_value_that_cannot_travel_is_told_with_its_pe_and_type(call: Call, here: Path) -> None:
    lay(
        workflow(
            "import threading\n@d4py.producer\ndef locks():\n    yield threading.Lock()\ng = locks() >> d4py.ConsumerPE()\n"
        )
    )

    told = call("run w.py -m multi -n 2")

    assert told.code == 3
    assert told.err.startswith(
        "d4py: error: PE 'locks', instance locks, what it wrote on 'output': NotPicklable: A value of type lock cannot be sent"
    )
    assert "plain data, arrays" in told.err.splitlines()[0]


def test_there_are_at_least_sixty_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60
