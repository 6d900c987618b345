# SPDX-License-Identifier: Apache-2.0
"""Twins: where a process() that writes is run as a function or a generator, nobody can tell; where one could tell, there is none."""

from __future__ import annotations

import ast
import gc
import itertools
import linecache
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import d4py
from d4py.graph.written import NOTHING, Writes, twin

HEAD = """
from __future__ import annotations
import math
import d4py

class Step(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.seen = 0

    def both(self, value):
        self.write("output", ("helper", value))

class Numbers(d4py.GenericPE):
    def __init__(self, n=12):
        super().__init__()
        self._add_output("out")
        self.n = n

    def process(self, inputs):
        for number in range(self.n):
            self.write("out", number)

class Keep(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("in")
        self._add_output("kept")
        self.kept = []

    def _process(self, inputs):
        self.kept.append(inputs["in"])

    def postprocess(self):
        self.write("kept", self.kept)
"""
_NAMES = itertools.count()


def module(text: str, folder: Path) -> ModuleType:
    """Return a module of a text; not through pytest, which changes what it imports."""
    path = folder / f"written_{next(_NAMES)}.py"
    path.write_text(HEAD + text)
    made = ModuleType(path.stem)
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), vars(made))
    return made


def step(body: str, folder: Path, head: str = "def process(self, inputs):") -> ModuleType:
    indented = textwrap.indent(textwrap.dedent(body), " " * 8)
    return module(f"\nclass Drawn(Step):\n    {head}\n{indented}\n", folder)


LASTS = [
    'self.write("output", inputs["input"] * 2)',
    'if inputs["input"] % 2:\n    self.write("output", inputs["input"])',
    'if inputs["input"] % 2:\n    return\nself.write("output", math.sqrt(inputs["input"]))',
    'for k in range(5):\n    if k == inputs["input"]:\n        self.write("output", k)\n        return\nself.write("output", -1)',
    'self.seen += 1\nself.write("output", [self.seen + v for v in (inputs["input"], 1)])',
    'self.write("output", None)',
    'self.both(inputs["input"])\nself.write("output", 1)',
    'f = lambda x: x + 1\nself.write("output", f(inputs["input"]))',
    'self.write("output", (v for v in range(2)).__next__())',
    'self.__own = inputs["input"]\nself.write("output", self.__own)',
]
MANY = [
    'for k in range(inputs["input"]):\n    self.write("output", k)',
    'self.write("output", 1)\nself.write("output", inputs["input"])',
    'self.write("output", 1)\nself.seen += 1',
    'while True:\n    self.seen += 1\n    if self.seen % 3 == 0:\n        return\n    self.write("output", self.seen)',
    'self.write("output", 1)\nself.both(2)\nself.write("output", 3)',
    'with self.held if hasattr(self, "held") else open(__file__):\n    self.write("output", inputs["input"])',
]
NONE = [
    'try:\n    self.write("output", 1)\nexcept Exception:\n    pass',
    "return {'output': inputs['input']}",
    'self.write("output", 1)\nreturn {"output": 2}',
    'self.write("output", inputs)',
    'value = inputs.get("input")\nself.write("output", value)',
    'inputs["input"] += 1\nself.write("output", inputs["input"])',
    'write = self.write\nwrite("output", inputs["input"])',
    'self.write("output", inputs["input"], location="here")',
    'name = "output"\nself.write(name, inputs["input"])',
    'self.write("nowhere", inputs["input"])',
    'self.write("output", sorted(locals()))',
    '[self.write("output", v) for v in range(inputs["input"])]',
    'def later():\n    self.write("output", 1)\nlater()',
    'self.both(inputs["input"])',
    'yield {"output": inputs["input"]}\nself.write("output", 2)',
    'import math as inputs\nself.write("output", inputs.pi)',
    'self = self\nself.write("output", 1)',
    'super().process(inputs)\nself.write("output", 1)',
]


def outcome(made: ModuleType, mapping: str = "simple") -> tuple[Any, ...]:
    result = d4py.run(made.Numbers() >> made.Drawn() >> made.Keep(), mapping, processes=1, check=False)
    return result.exit_code, result.outputs.values(), result.counts, result.error


@pytest.fixture
def without_twins(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def switch_off() -> None:
        monkeypatch.setattr("d4py.engine.circuit.twin", lambda _: None)
        monkeypatch.setattr("d4py.engine.source.twin", lambda _: None)

    return switch_off


@pytest.mark.parametrize(
    ("body", "writes"),
    [
        *[(body, Writes.LAST) for body in LASTS],
        *[(body, Writes.MANY) for body in MANY],
        *[(body, None) for body in NONE],
    ],
)
def test_a_twin_is_there_where_nobody_can_tell_and_gives_what_process_does(
    body: str, writes: Writes | None, tmp_path: Path, without_twins: Callable[[], None]
) -> None:
    made = step(body, tmp_path)
    found = twin(made.Drawn())
    assert (found.writes if found else None) == writes

    fast = outcome(made)
    without_twins()

    assert fast == outcome(made)


BODIES = st.recursive(
    st.sampled_from(
        [
            ['self.write("output", inputs["input"])'],
            ['self.write("output", self.seen)'],
            ["self.seen += 1"],
            ["return"],
            ["pass"],
            ['self.both(inputs["input"])'],
            ['if self.seen == 9: raise ValueError("nine")'],
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: [line for part in parts for line in part]),
        st.tuples(
            st.sampled_from(
                ['if inputs["input"] % 2:', "for k in range(2):", "if self.seen < 4:", "with open(__file__):", "try:"]
            ),
            inner,
        ).map(
            lambda pair: [
                pair[0],
                *["    " + line for line in pair[1]],
                *(["finally:", "    self.seen += 1"] if pair[0] == "try:" else []),
            ]
        ),
        st.tuples(inner, inner).map(
            lambda pair: [
                'if inputs["input"] > 3:',
                *["    " + line for line in pair[0]],
                "else:",
                *["    " + line for line in pair[1]],
            ]
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_any_process_gives_the_same_with_its_twin_and_without(body: list[str], tmp_path: Path) -> None:
    made = step("\n".join(["seen = self.seen", *body]), tmp_path)
    fast = outcome(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("d4py.engine.circuit.twin", lambda _: None)
        patch.setattr("d4py.engine.source.twin", lambda _: None)

        assert fast == outcome(made)


def test_a_source_that_writes_in_a_loop_is_a_generator_and_one_that_writes_once_is_called(tmp_path: Path) -> None:
    made = module(
        '\nclass Once(Numbers):\n    def process(self, inputs):\n        self.write("out", inputs.get("n", 1))\n',
        tmp_path,
    )

    found = twin(made.Numbers())
    assert found is not None
    assert found.writes is Writes.MANY
    assert list(found.function(made.Numbers(n=3), {})) == [0, 1, 2]
    assert twin(made.Once()) is None


def test_a_twin_that_does_not_write_says_so_and_none_can_be_written(tmp_path: Path) -> None:
    made = step('if inputs["input"]:\n    self.write("output", None)', tmp_path)
    found = twin(made.Drawn())

    assert found is not None
    assert [found.function(made.Drawn(), value) for value in (0, 1)] == [NOTHING, None]


def test_an_error_shows_the_authors_line_and_the_stages_own_item(tmp_path: Path) -> None:
    made = step('for k in range(2):\n    self.write("output", 1 // (inputs["input"] - 3))', tmp_path)
    assert twin(made.Drawn()) is not None
    result = d4py.run(made.Numbers() >> made.Drawn() >> made.Keep(), check=False)

    assert result.exit_code == 3
    assert result.error == (
        "PE 'Drawn', instance Drawn, item 3 on 'input', input 3: ZeroDivisionError: integer division or modulo by zero"
    )


@contextmanager
def interrupted(times: int) -> Iterator[None]:
    """Have so many collections of garbage in the midst of a parse parse something too: what another thread may do then."""
    left, thresholds = times, gc.get_threshold()

    def parse(phase: str, info: dict[str, int]) -> None:
        nonlocal left
        if phase == "start" and left and sys._getframe(1).f_code is ast.parse.__code__:
            left -= 1
            ast.parse("f(g(h))")

    gc.callbacks.append(parse)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(parse)


@pytest.mark.parametrize("times", [1, 10**9])
def test_text_is_read_though_another_thread_reads_some_at_the_same_time(tmp_path: Path, times: int) -> None:
    made = step("\n".join(f'self.write("output", [[(inputs["input"], {k})]])' for k in range(30)), tmp_path)

    with interrupted(times):
        found = twin(made.Drawn())

    assert found is not None or times > 1


def test_text_is_read_before_there_are_threads_that_may_read_other_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = step('self.write("output", inputs["input"] + 1)', tmp_path)
    readers, parse = set(), ast.parse

    def parsed(*text: Any, **options: Any) -> Any:
        readers.add(threading.current_thread())
        return parse(*text, **options)

    monkeypatch.setattr(ast, "parse", parsed)
    d4py.run(made.Numbers() >> made.Drawn() >> made.Keep(), "threads", processes=3)

    assert readers == {threading.main_thread()}


def test_text_that_is_not_what_runs_gives_no_twin(tmp_path: Path) -> None:
    made = step('self.write("output", inputs["input"] + 1)', tmp_path)
    path = Path(made.Drawn.process.__code__.co_filename)
    path.write_text(path.read_text().replace('["input"] + 1', '["input"] + 2'))
    linecache.checkcache(str(path))

    assert twin(made.Drawn()) is None


def test_a_pe_whose_methods_were_replaced_has_no_twin(tmp_path: Path) -> None:
    made = module(
        '\nclass Loud(Numbers):\n    def write(self, name, data):\n        super().write(name, ("loud", data))\n',
        tmp_path,
    )
    replaced = made.Numbers()
    replaced.process = lambda inputs: replaced.write("out", 1)

    assert twin(made.Loud()) is None
    assert twin(replaced) is None
