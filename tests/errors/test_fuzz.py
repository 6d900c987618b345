# SPDX-License-Identifier: Apache-2.0
"""Whatever the command line and the loader are given, they answer with a known exit code and never with a traceback of our own."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.errors.conftest import GOOD

from d4py.cli.main import NAMES, main
from d4py.runs import State

CODES = {0, 2, 3, 4, 5, 6}
OWN_LINES = re.compile(r'File ".*/d4py/')


def bounded(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])


# Text without what cannot be in an argument (null) and without what would name files elsewhere (a slash).
TEXT = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=12)
OPTIONS = [
    *("-n", "-m", "-i", "-d", "-f", "-o", "-q", "-a", "-l", "-v", "-h", "--", "-", "--mapping", "--set", "--graph", "--processes"),
    *("--no-fuse", "--iterations", "--data", "--run-dir", "--checkpoint", "--restarts", "--on-error", "--output", "--json", "--run-id"),
    *("--format", "--limit", "--all", "--status", "--timeout", "--list", "--pe", "--older", "--keep", "--dry-run", "--lines", "--wrong"),
]  # fmt: skip
VALUES = [
    *("w.py", "w.py:workflow", "json", "none.py", "folder", "old", "runs/old", "simple", "threads", "n=2", "n=x", "=", "text", "svg", "dot"),
    *("0", "1", "2", "-1", "1e9", "nan", "{}", "[]", '{"numbers": 2}', '{"double": [{"input": 1}]}', "fail", "retry:1", "double=quarantine"),
    *("30d", "done", "bash", "\udce9", "é", " ", ""),
]  # fmt: skip
WORDS = st.one_of(st.sampled_from(OPTIONS), st.sampled_from(VALUES), TEXT)
# `submit` starts processes that outlive the call; it has tests of its own.
COMMANDS = [name for name in NAMES if name != "submit"]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 20)
    | st.floats()
    | st.sampled_from(["numbers", "double", "input", "n"])
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["numbers", "double", "input", "n"]) | TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)
PIECES = st.sampled_from(
    ["(", ")", ":", "=", ">>", "@", "yield", "return", "None", "0", "n", "x", "raise", "...", "lambda: 0", "d4py", "workflow", "numbers", "double",
     "()", "[]", "{}", "\n", "    ", "\t", "\0", "\x0c", "#", '"', "'", '"""', "class A: pass", "import no_such_module", "import sys; sys.exit()",
     "configure = 1", "def configure(): return workflow", "def configure(a): return 1", "d4py.WorkflowGraph()", "é", "\ufeff"],
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    where = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        patch.setenv("XDG_STATE_HOME", str(where / "state"))
        patch.delenv("D4PY_DEBUG", raising=False)
        path = list(sys.path)
        (where / "folder").mkdir()
        (where / "w.py").write_text(GOOD)
        call(["run", "w.py", "--run-id", "old"])
        yield where
        sys.path[:] = path


def call(argv: list[str]) -> tuple[int, str]:
    """Call the command line; what it prints on stderr must be no traceback of ours, whatever its code."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(argv)
    told = err.getvalue()
    assert code in CODES, (code, told)
    assert "defect of d4py" not in told
    assert OWN_LINES.search(told) is None
    if code == 2:
        assert "Traceback" not in told
        assert argv == [] or (told.startswith("d4py: error: ") and told.count("\n") == 1)
    return code, told


@bounded(1200)
@given(command=st.sampled_from(COMMANDS) | WORDS, words=st.lists(WORDS, max_size=6))
def test_any_arguments(folder: Path, command: str, words: list[str]) -> None:
    Path("folder").mkdir(exist_ok=True)
    Path("w.py").write_text(GOOD)
    call([command, *words] if command != "submit" else words)


@bounded(300)
@given(data=JSON.map(json.dumps) | TEXT)
@example('{"numbers": 1e400}')
@example('{"double": [{"input": NaN}]}')
def test_any_input_data(folder: Path, data: str) -> None:
    Path("w.py").write_text(GOOD)
    call(["run", "w.py", "-q", f"--data={data}"])


@bounded(300)
@given(name=st.sampled_from(["n", "scale", "loud", "sizes", "numbers.n"]) | TEXT, value=TEXT | JSON.map(json.dumps))
def test_any_parameter(folder: Path, name: str, value: str) -> None:
    Path("w.py").write_text(GOOD)
    call(["validate", "w.py", f"--set={name}={value}"])


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A good workflow file with a few pieces taken out or put in."""
    text = GOOD
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES | st.just("")) + text[at + draw(st.integers(0, 12)) :]
    return text


@bounded(1500)
@given(text=mutants() | TEXT)
def test_any_workflow_file(folder: Path, text: str) -> None:
    Path("w.py").write_text(text, encoding="utf-8")
    call(["run", "w.py", "-q"])


@bounded(200)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | JSON.map(lambda value: f"[parameters]\nn = {json.dumps(value)}\n")
)
def test_any_workflow_toml(folder: Path, text: str) -> None:
    Path("folder/workflow.py").write_text(GOOD)
    Path("folder/workflow.toml").write_text(text, encoding="utf-8")
    call(["validate", "folder"])


@bounded(200)
@given(
    name=st.sampled_from(["state.json", "plan.json", "run.json"]),
    value=JSON.map(json.dumps) | TEXT,
    command=st.sampled_from(["status", "list", "wait", "audit", "outputs", "logs", "retry", "resume", "cancel"]),
)
def test_any_damage_of_a_runs_files(folder: Path, name: str, value: str, command: str) -> None:
    path = a_run(folder) / name
    whole = path.read_bytes()
    path.write_text(value, encoding="utf-8")
    call([command] if command == "list" else [command, "damaged"])
    path.write_bytes(whole)


@bounded(200)
@given(
    field=st.sampled_from(list(State.__dataclass_fields__)),
    value=JSON,
    command=st.sampled_from(["status", "list", "wait", "resume", "cancel", "outputs"]),
)
def test_any_damage_of_one_field_of_a_state(folder: Path, field: str, value: Any, command: str) -> None:
    path = a_run(folder) / "state.json"
    whole = path.read_bytes()
    path.write_text(json.dumps({**json.loads(whole), field: value}))
    call([command] if command == "list" else [command, "damaged"])
    path.write_bytes(whole)


def a_run(folder: Path) -> Path:
    """Return the folder of a run that is done."""
    where = folder / "state/d4py/runs/damaged"
    if not where.exists():
        Path("w.py").write_text(GOOD)
        call(["run", "w.py", "-q", "--run-id", "damaged"])
    return where
