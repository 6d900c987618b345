# SPDX-License-Identifier: Apache-2.0
"""The wheel holds the whole package and nothing else, and works where nothing else is installed."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

WORKFLOW = """\
import d4py

@d4py.producer
def numbers(n: int = 4):
    yield from range(n)

@d4py.iterative
def double(x: int) -> int:
    return 2 * x

workflow = numbers() >> double()
"""


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_is_pure_and_named_after_its_version(wheel: Path) -> None:
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "platform/d4py/__init__.py").read_text(), re.MULTILINE)

    assert version
    assert wheel.name == f"d4py-{version[1]}-py3-none-any.whl"


def test_the_wheel_holds_every_module_and_nothing_beside_the_packages(wheel: Path) -> None:
    shipped = {
        str(path.relative_to(source))
        for source in (ROOT / "platform", ROOT / "operators")
        for path in source.rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())

    assert shipped - held == set()
    assert {name.partition("/")[0] for name in held} == {
        "d4py",
        "d4py_operator",
        wheel.name.partition("-py3")[0] + ".dist-info",
    }


def test_the_wheel_asks_for_four_packages(metadata: Message) -> None:
    asked = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]

    assert [re.split(r"[<>=;]", line)[0] for line in asked] == ["cloudpickle", "networkx", "rich", "tomli"]
    assert metadata["Requires-Python"] == ">=3.10"


def test_the_wheel_carries_its_licence(wheel: Path, metadata: Message) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))

        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()
    assert metadata["License-Expression"] == "Apache-2.0"


def test_what_is_installed_fits_together(run: Run) -> None:
    check = run("python", "-m", "pip", "check")

    assert check.returncode == 0, check.stdout


def test_no_optional_dependency_came_along(run: Run) -> None:
    listed = json.loads(run("python", "-m", "pip", "--disable-pip-version-check", "list", "--format", "json").stdout)
    names = {package["name"].lower() for package in listed}

    assert "d4py" in names
    assert names & {"matplotlib", "numpy", "obspy", "pytest", "scipy", "threadpoolctl", "zarr"} == set()


@pytest.mark.parametrize("mapping", ["simple", "threads", "multi"])
def test_the_command_runs_a_workflow_on(mapping: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "doubles.py").write_text(WORKFLOW)

    ran = run("d4py", "run", "doubles.py", "--mapping", mapping, "-n", "2", "--output", "out.jsonl", "--run-dir", "run")

    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(line["value"] for line in lines) == [0, 2, 4, 6]


def test_every_module_can_be_imported_without_an_optional_dependency(run: Run) -> None:
    """Where one is needed it is asked for by name, not found missing half-way through a run. The contract suite alone needs pytest."""
    modules = [
        ".".join(path.relative_to(ROOT / "platform").with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "platform" / "d4py").rglob("*.py"))
        if path.stem != "__main__" and "testing" not in path.parts
    ]

    imported = run("python", "-c", f"import importlib\nfor name in {modules}: importlib.import_module(name)")

    assert imported.returncode == 0, imported.stderr
    assert len(modules) > 20
