# SPDX-License-Identifier: Apache-2.0
"""Guesses what a workflow needs from what it imports, and what its parameters are from its configure(). Its code is read, not run."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions, version
from typing import TYPE_CHECKING, Any

from d4py.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OURS = {"d4py", "dispel4py"}  # what every image has


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One requirement, and why."""

    requirement: str
    why: str


@dataclass(slots=True, kw_only=True)
class Guesses:
    """All that was guessed of a workflow."""

    requirements: list[Guess] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


def guess(files: Mapping[str, Path]) -> Guesses:
    """Read the Python files of a workflow, by name. Raises LoadError for one that is no Python."""
    trees = {name: _parsed(name, path) for name, path in files.items() if name.endswith(".py")}
    local = {part for name in files for part in (name.split("/")[0], name.rpartition("/")[2].removesuffix(".py"))}
    found = Guesses()
    owners = packages_distributions()
    places: dict[str, str] = {}
    for name, tree in trees.items():
        for module, line in _imports(tree):
            places.setdefault(module, f"line {line} of {name}")
    for module in sorted(set(places) - sys.stdlib_module_names - OURS - local):
        found.requirements.append(_requirement(module, owners.get(module, []), places[module], found.doubts))
    main = trees.get("workflow.py") or next(iter(trees.values()))
    found.parameters = dict(_parameters(main, found.doubts))
    return found


def _requirement(module: str, owners: list[str], place: str, doubts: list[str]) -> Guess:
    if not owners:
        doubts.append(f"{module} is not installed here, so its distribution may have another name")
        return Guess(requirement=module, why=f"import {module}, {place}; not installed here")
    owner, *others = sorted(set(owners))
    if others:
        doubts.append(f"{module} is of {owner} and of {', '.join(others)}; the first was taken")
    installed = version(owner)
    numbers = installed.split(".")
    bound = ".".join(numbers[:2])
    upper = f",<{int(numbers[0]) + 1}" if numbers[0].isdigit() and int(numbers[0]) else ""
    return Guess(requirement=f"{owner}>={bound}{upper}", why=f"import {module}, {place}; {installed} is installed here")


def _parsed(name: str, path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError) as error:
        raise LoadError(f"{name} cannot be read as Python: {error}.", hint="Mend it first.") from None


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0], node.lineno


def _parameters(tree: ast.Module, doubts: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of configure() that have a default which TOML can say."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name != "configure":
            continue
        spec = node.args
        positional = [*spec.posonlyargs, *spec.args]
        defaults = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
        for argument, default in [
            *zip(positional, defaults, strict=True),
            *zip(spec.kwonlyargs, spec.kw_defaults, strict=True),
        ]:
            try:
                value = None if default is None else ast.literal_eval(default)
            except ValueError:
                value = None
            if isinstance(value, (bool, int, float, str, list, tuple)):
                yield argument.arg, value
            else:
                doubts.append(f"the parameter {argument.arg} has no default that TOML can say; give it with --set")
