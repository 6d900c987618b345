# SPDX-License-Identifier: Apache-2.0
"""What a workflow needs is guessed from its code, which is read and not run; and each guess is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.images.conftest import ROOT, SQUARES, Place

from d4py.packaging import spec, workflow
from d4py.packaging.guess import guess
from d4py.packaging.toml import value

CODE = """
import json, os.path
import numpy as np
import helper
import yaml_of_nobody
from d4py import WorkflowGraph
from dispel4py.base import GenericPE
from . import sibling
raise RuntimeError("read, not run")

def configure(data: str, rate: float = 2.5, band=(1, 2.0), name: str = 'a "b"', loud: bool = False, when=object(), *, n: int = 3):
    import PIL.Image
"""


def test_a_file_becomes_a_folder(place: Place, tmp_path: Path) -> None:
    (place.path / "squares.py").write_text(SQUARES)

    ran = place.d4py("init", "squares.py")

    assert ran.stdout.splitlines() == [
        str(place.path / "squares" / "workflow.toml"),
        "It needs nothing but d4py and the standard library.",
    ]
    assert (place.path / "squares" / "workflow.py").read_text() == SQUARES
    place.d4py("validate", "squares")
    assert "workflow.toml exists." in place.d4py("init", "squares.py", code=2).stderr
    (place.path / "squares" / "workflow.toml").unlink()
    assert "squares exists." in place.d4py("init", "squares.py", code=2).stderr
    place.d4py("init", "squares")
    assert "workflow.toml exists." in place.d4py("init", "squares", code=2).stderr


def test_imports_name_distributions(place: Place, write: Callable[..., Path]) -> None:
    root = write({"workflow.py": CODE, "helper.py": "import rich\n", "sub/inner.py": "import scipy\n"})
    (root / "workflow.toml").unlink()

    told = place.d4py("init", root).stdout

    found = spec.read(workflow._toml(root), where="x")
    names = [requirement.partition(">")[0] for requirement in found.requirements]
    assert names == ["pillow", "numpy", "rich", "scipy", "yaml_of_nobody"]
    major, minor = version("numpy").split(".")[:2]
    assert f"numpy>={major}.{minor},<{int(major) + 1}" in found.requirements
    assert f"(import numpy, line 3 of workflow.py; {version('numpy')} is installed here)" in told
    assert "in doubt: yaml_of_nobody is not installed here" in told
    assert dict(found.parameters) == {"rate": 2.5, "band": [1, 2.0], "name": 'a "b"', "loud": False, "n": 3}
    assert "in doubt: the parameter data has no default" in told
    assert "in doubt: the parameter when has no default that TOML can say" in told


def test_code_that_is_no_python_is_told(place: Place, write: Callable[..., Path]) -> None:
    root = write({"helper.py": "def (:\n"})
    (root / "workflow.toml").unlink()

    assert "helper.py cannot be read as Python" in place.d4py("init", root, code=2).stderr
    assert not (root / "workflow.toml").exists()


def test_the_flagship_says_what_would_be_guessed() -> None:
    folder = ROOT / "workflows" / "ambient_noise"
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.py")}

    found = guess(files)

    wanted = {requirement.partition(">")[0] for requirement in workflow.named(str(folder)).spec.requirements}
    assert {one.requirement.partition(">")[0] for one in found.requirements} - {"rich"} == wanted - {"mpi4py"}
    assert found.parameters.keys() == workflow.named(str(folder)).spec.parameters.keys()


def test_the_flagship_asks_for_the_ranges_of_the_extras() -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    wanted = workflow.named(str(ROOT / "workflows" / "ambient_noise")).spec.requirements

    extras = project["optional-dependencies"]
    assert sorted(wanted) == sorted([*extras["seismology"], *extras["mpi"]])


@pytest.mark.parametrize("found", [True, 3, -1.5e300, "", 'a"\\\n\x7f\u65e5', [1, "x", [2.0]], float("inf")])
def test_values_are_toml(found: object) -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    assert tomllib.loads(f"x = {value(found)}")["x"] == found
