# SPDX-License-Identifier: Apache-2.0
"""Dependencies: few, each with its range and its reason, and none loaded before it is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

DEPENDENCY = re.compile(r'^    "(?P<name>[a-z0-9-]+)(?P<extra>\[[a-z,]+\])?(?P<range>[^"]*)",(?P<rest>.*)$')


@pytest.fixture(scope="module")
def dependencies(root: Path) -> dict[str, list[re.Match[str]]]:
    """The lines of pyproject.toml that name a dependency, by group; core is the package's own."""
    found: dict[str, list[re.Match[str]]] = {}
    group = ""
    for line in (root / "pyproject.toml").read_text().splitlines():
        if opened := re.match(r"^(\w+) = \[$", line):
            group = opened[1]
        elif line == "]":
            group = ""
        elif group in {"dependencies", "kubernetes", "operator", "seismology", "test", "dev"} and (
            match := DEPENDENCY.match(line)
        ):
            found.setdefault(group, []).append(match)
    return found


def test_the_core_needs_four_packages(dependencies: dict[str, list[re.Match[str]]]) -> None:
    assert [line["name"] for line in dependencies["dependencies"]] == ["cloudpickle", "networkx", "rich", "tomli"]


def test_every_dependency_gives_its_reason(dependencies: dict[str, list[re.Match[str]]]) -> None:
    lines = [line for group in dependencies.values() for line in group]

    assert len(lines) >= 19
    assert [line["name"] for line in lines if not re.match(r"\s+# \S.{9,}", line["rest"])] == []


def test_every_dependency_has_a_lower_and_an_upper_bound(dependencies: dict[str, list[re.Match[str]]]) -> None:
    others = [line for group in dependencies.values() for line in group if line["name"] != "d4py"]

    assert [line["name"] for line in others if not re.match(r">=[\d.]+,<[\d.]+(; .*)?$", line["range"])] == []


def test_every_dependency_of_the_flagship_and_the_core_is_imported_somewhere(
    dependencies: dict[str, list[re.Match[str]]], root: Path, modules: list[Path]
) -> None:
    shipped = [path for path in modules if path.relative_to(root).parts[0] in {"platform", "workflows"}]
    text = "\n".join(path.read_text() for path in shipped)
    names = [line["name"] for group in ("dependencies", "seismology") for line in dependencies[group]]

    assert [name for name in names if not re.search(rf"^\s*(import|from) {name}\b", text, re.MULTILINE)] == []


def test_import_d4py_loads_nothing_but_the_standard_library() -> None:
    """Start-up time is a promise, and an optional dependency may be absent."""
    names = (
        "import json, sys; before = set(sys.modules); import d4py; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", names], text=True))

    assert {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names == {"d4py"}
