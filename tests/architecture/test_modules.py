# SPDX-License-Identifier: Apache-2.0
"""How a module of this project looks: its head, its size, its name."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SPDX = "# SPDX-License-Identifier: Apache-2.0"
MODULE_LINES = 400
FUNCTION_LINES = 60
SAYS_NOTHING = {
    "common",
    "helper",
    "helpers",
    "misc",
    "shared",
    "tools",
    "util",
    "utils",
}  # a name for whatever was left over

Rule = Callable[[Path, str], Iterator[str]]


def no_licence(_: Path, text: str) -> Iterator[str]:
    if text.splitlines()[:1] != [SPDX]:
        yield f"its first line is not {SPDX!r}"


def no_docstring(_: Path, text: str) -> Iterator[str]:
    if not ast.get_docstring(ast.parse(text)):
        yield "its docstring does not say what lives there"


def too_long(_: Path, text: str) -> Iterator[str]:
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield f"it has {lines} lines; {MODULE_LINES} are the most"


def too_long_functions(_: Path, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines; {FUNCTION_LINES} are the most"


def empty_name(path: Path, _: str) -> Iterator[str]:
    for part in (*path.parent.parts, path.stem):
        if part in SAYS_NOTHING:
            yield f"{part!r} does not say what is in it"


RULES: list[Rule] = [no_licence, no_docstring, too_long, too_long_functions, empty_name]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_breaks_the_rule(rule: Rule, root: Path, modules: list[Path]) -> None:
    broken = [
        f"{place}: {fault}"
        for place in (path.relative_to(root) for path in modules)
        if (root / place).stat().st_size
        for fault in rule(place, (root / place).read_text())
    ]

    assert broken == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (no_licence, "platform/d4py/x.py", '"""X."""\n'),
        (no_docstring, "platform/d4py/x.py", f"{SPDX}\nx = 1\n"),
        (too_long, "platform/d4py/x.py", "x = 1\n" * 401),
        (too_long_functions, "platform/d4py/x.py", "def f():\n" + "    x = 1\n" * 60),
        (empty_name, "platform/d4py/utils.py", ""),
        (empty_name, "platform/d4py/helpers/x.py", ""),
    ],
)
def test_each_rule_catches_a_module_made_to_break_it(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(Path(path), text))) == 1


def test_every_package_of_the_platform_is_one(root: Path) -> None:
    """Without an __init__.py a folder would be importable and yet unchecked: it has no docstring and no place in the layers."""
    folders = {path.parent for path in (root / "platform" / "d4py").rglob("*.py")}

    assert [str(folder.relative_to(root)) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_package_says_that_it_is_typed(root: Path) -> None:
    assert (root / "platform" / "d4py" / "py.typed").is_file()
