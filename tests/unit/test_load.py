# SPDX-License-Identifier: Apache-2.0
"""Workflows by name: files, folders, modules; what is told when there is none."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from d4py.errors import LoadError, ParameterError
from d4py.graph.load import Workflow, digest_of, find, load

SMALL = """
import d4py

@d4py.producer
def numbers(n: int = 3, start: float = 0.0):
    yield from range(n)

@d4py.iterative
def double(x, factor=2):
    return factor * x

graph = numbers() >> double()
"""
CONFIGURED = """
import d4py

@d4py.producer
def numbers(n):
    yield from range(n)

def configure(n: int, label: str = "x", on: bool = False, band: tuple = (1, 2)):
    graph = d4py.WorkflowGraph()
    source = numbers(n=n)
    source.told = (n, label, on, band)
    graph.add(source)
    return graph
"""


@pytest.fixture(autouse=True)
def imports_are_forgotten() -> Iterator[None]:
    path, finders, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    for name in set(sys.modules) - modules:
        if name.startswith(("d4py_workflow_", "planted")):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(name: str, **parameters: Any) -> Workflow:
    return load(find(name, parameters=parameters))


def ids(workflow: Workflow) -> list[str | None]:
    return [pe.id for pe in workflow.graph.pes]


def test_a_file_is_loaded_and_its_graph_found_whatever_it_is_called(folder: Path) -> None:
    (folder / "small.py").write_text(SMALL)

    workflow = loaded("small.py")

    assert (workflow.name, ids(workflow)) == ("small", ["numbers", "double"])


def test_a_folder_stands_for_its_workflow_py_and_brings_its_own_packages(folder: Path) -> None:
    home = folder / "noise"
    (home / "planted_core").mkdir(parents=True)
    (home / "planted_core" / "__init__.py").write_text("FACTOR = 7\n")
    (home / "workflow.py").write_text(
        SMALL.replace("factor=2", "factor=FACTOR").replace(
            "import d4py", "import d4py\nfrom planted_core import FACTOR"
        )
    )

    workflow = loaded(str(home))

    assert (workflow.name, workflow.graph.pes[1].function(3)) == ("noise", 21)  # type: ignore[attr-defined]


def test_a_module_is_loaded_and_one_of_its_graphs_named(folder: Path) -> None:
    (folder / "planted.py").write_text(SMALL + "\nother = numbers() >> double() >> double()\n")

    assert ids(loaded("planted:other")) == ["numbers", "double", "double2"]


def test_composites_and_parts_of_the_graph_are_not_taken_for_it(folder: Path) -> None:
    (folder / "parts.py").write_text(
        SMALL.replace("graph = ", "import d4py\nchain = d4py.create_iterative_chain([abs])\n_ = ")
        + "\nwhole = d4py.WorkflowGraph()\nwhole.connect(numbers(), 'output', chain, 'input')\ndel _\n"
    )

    assert ids(loaded("parts.py")) == ["numbers", "PE_abs"]


def test_a_graph_drawn_in_steps_is_one(folder: Path) -> None:
    (folder / "steps.py").write_text(
        SMALL.replace("graph = numbers() >> double()", "graph = numbers() >> double()\nsame = graph")
    )

    assert ids(loaded("steps.py")) == ["numbers", "double"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", r"bad.py defines no workflow graph. Assign one to a variable, or define configure\(\)"),
        (
            SMALL + "second = numbers() >> double()\n",
            r"bad.py defines 2 graphs: 'graph', 'second'. Choose one: .*bad.py:graph",
        ),
        ("import d4py\ndef f(:\n", r"syntax error in .*bad.py line 2: invalid syntax. Mend that line"),
        ("import d4py\n\n1 / 0\n", r"bad.py line 3 raised ZeroDivisionError: division by zero"),
        (
            "import nowhere_at_all\n",
            r"bad.py cannot be loaded: No module named 'nowhere_at_all'. Install 'nowhere_at_all' here",
        ),
        ("raise SystemExit(3)\n", r"bad.py called exit\(3\) while it was loaded"),
        ("def configure():\n    return 7\n", r"configure\(\) of .*bad.py returned 7. It must return a WorkflowGraph"),
    ],
    ids=["no graph", "two graphs", "syntax", "raises", "import", "exit", "configure"],
)
def test_a_module_without_a_graph_is_told_with_place_and_remedy(folder: Path, text: str, message: str) -> None:
    (folder / "bad.py").write_text(text)

    with pytest.raises(LoadError, match=message):
        loaded("bad.py")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smal.py", r"There is no file 'smal.py'. Did you mean 'small.py'\?"),
        ("empty", r"The folder 'empty' has no workflow.py"),
        ("notes.txt", r"The file 'notes.txt' is not a Python file"),
        ("nowhere_at_all", r"There is no file, folder or module 'nowhere_at_all'"),
        ("no such name", r"There is no file 'no such name'"),
        ("small.py:grph", r"has no graph 'grph'; it has 'graph'. Did you mean 'graph'\?"),
    ],
)
def test_a_name_that_means_nothing_is_told_with_the_nearest(folder: Path, name: str, message: str) -> None:
    (folder / "small.py").write_text(SMALL)
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("")

    with pytest.raises(LoadError, match=message):
        loaded(name)


def test_parameters_of_functions_are_set_by_name_and_by_pe(folder: Path) -> None:
    (folder / "small.py").write_text(SMALL)

    workflow = loaded("small.py", n="5", **{"double.factor": "3"})

    assert [pe.parameters for pe in workflow.graph.pes] == [{"n": 5}, {"factor": 3}]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"m": "5"}, "No PE has a parameter 'm'; there is 'factor', 'n', 'start'"),
        ({"n": "five"}, "Parameter 'n' takes int, not 'five'. Write --set n=10"),
        ({"start": "x"}, "Parameter 'start' takes float, not 'x'. Write --set start=0.5"),
    ],
)
def test_a_parameter_that_does_not_fit_is_told(folder: Path, parameters: dict[str, str], message: str) -> None:
    (folder / "small.py").write_text(SMALL)

    with pytest.raises(ParameterError, match=message):
        loaded("small.py", **parameters)


def test_configure_gets_checked_parameters(folder: Path) -> None:
    (folder / "configured.py").write_text(CONFIGURED)

    workflow = loaded("configured.py", n="4", on="yes", band="(3, 4)")

    assert workflow.graph.pes[0].told == (4, "x", True, (3, 4))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "Parameter 'n' has no default. Give it: --set n="),
        (
            {"n": 1, "lable": "y"},
            r"has no parameter 'lable'; it has 'n', 'label', 'on', 'band'. Did you mean 'label'\?",
        ),
        ({"n": 1, "on": "perhaps"}, "Parameter 'on' takes bool, not 'perhaps'. Write --set on=true"),
        ({"n": 1, "band": "[1"}, "Parameter 'band' takes tuple"),
        ({"n": 2.5}, "Parameter 'n' takes int, not 2.5"),
    ],
)
def test_configure_refuses_what_does_not_fit(folder: Path, parameters: dict[str, Any], message: str) -> None:
    (folder / "configured.py").write_text(CONFIGURED)

    with pytest.raises(ParameterError, match=message):
        loaded("configured.py", **parameters)


def test_workflow_toml_gives_defaults_and_names_what_may_be_set(folder: Path) -> None:
    home = folder / "noise"
    home.mkdir()
    (home / "workflow.py").write_text(SMALL)
    (home / "workflow.toml").write_text("[parameters]\nn = 9 # items\n")

    assert loaded("noise").graph.pes[0].parameters == {"n": 9}  # type: ignore[attr-defined]
    assert loaded("noise", n="2").graph.pes[0].parameters == {"n": 2}  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="Workflow 'noise' has no parameter 'start'; it has 'n'"):
        loaded("noise", start="1")
    (home / "workflow.toml").write_text("[parameters\n")
    with pytest.raises(LoadError, match=r"workflow.toml is not TOML"):
        loaded("noise")


def test_the_digest_of_a_folder_covers_its_code_and_settings_but_not_its_data(folder: Path) -> None:
    home = folder / "noise"
    (home / "core").mkdir(parents=True)
    (home / "workflow.py").write_text(SMALL)
    seen = [digest_of(home / "workflow.py")]
    for name, text in {"data.mseed": "x", "core/grid.py": "A = 1\n", "workflow.toml": "[parameters]\n"}.items():
        (home / name).write_text(text)
        seen.append(digest_of(home / "workflow.py"))

    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def test_loading_twice_gives_graphs_of_their_own(folder: Path) -> None:
    (folder / "small.py").write_text(SMALL)

    first, second = loaded("small.py"), loaded("small.py")

    assert first.digest == second.digest
    assert first.graph.pes[0] is not second.graph.pes[0]


def test_a_workflow_is_found_again_where_what_its_link_leads_to_has_moved(tmp_path: Path) -> None:
    """As in a mounted ConfigMap: workflow.py -> ..data/workflow.py, ..data -> a folder that has another name in each pod."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "workflow.py").write_text(
            f"import d4py\nfrom beside{name[2:]} import one, same\nworkflow = one() >> same()\n"
        )
        beside = "import d4py\n@d4py.producer\ndef one():\n    yield 1\n@d4py.iterative\ndef same(x):\n    return x\n"
        (tmp_path / name / f"beside{name[2:]}.py").write_text(beside)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "workflow.py").symlink_to("..data/workflow.py")
    sources = [find(str(tmp_path / "workflow.py")), find(str(tmp_path))]
    (tmp_path / "..data").unlink()
    (tmp_path / "..data").symlink_to("..2")
    shutil.rmtree(tmp_path / "..1")

    for source in sources:
        assert [pe.name for pe in load(source).graph.pes] == ["one", "same"]


def test_code_is_read_from_a_copy_under_the_names_of_what_it_is_a_copy_of(folder: Path) -> None:
    """Whatever has become of that; a package that the copy has not is found where it was."""
    text = "import d4py, pathlib\nfrom planted_pack.inner import planted_name, planted_file\nfrom planted_other import OTHER\nmine = pathlib.Path(__file__)\n"
    code = {
        "workflow.py": f"{text}{SMALL}",
        "planted_pack/__init__.py": "",
        "planted_pack/inner.py": "planted_name, planted_file = 'old', __file__\n",
    }
    for room in ("flow", "copy"):
        for name, content in code.items():
            place = folder / room / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
    (folder / "flow/planted_other.py").write_text("OTHER = 1\n")
    (folder / "flow/workflow.py").write_text("raise ValueError\n")
    shutil.rmtree(folder / "flow/planted_pack")
    source = find("flow")
    kept = {"folder": str(folder / "copy"), "root": str(folder / "flow"), "file": "workflow.py"}

    loaded_ = load(replace(source, kept=kept))

    module = sys.modules["d4py_workflow_workflow"]
    assert module.mine == folder / "flow/workflow.py"
    assert (module.planted_name, module.planted_file) == ("old", str(folder / "flow/planted_pack/inner.py"))
    assert sys.modules["planted_pack.inner"].__spec__ is not None
    assert loaded_.digest == digest_of(folder / "copy/workflow.py")
    with pytest.raises(LoadError):
        load(source)
