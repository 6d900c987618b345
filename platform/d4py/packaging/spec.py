# SPDX-License-Identifier: Apache-2.0
"""What workflow.toml says of the image: `requirements`, and the tables [image] and [data], checked and typed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from d4py.errors import LoadError, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*(?:[<>=!~;@(].*)?"
)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a workflow wants in its image."""

    name: str = ""  # of the image; the workflow's, if empty
    entry: str = ""  # the variable that holds the graph, where there are several
    arguments: tuple[str, ...] = ()  # of `d4py run` in the image, before those that its user gives
    requirements: tuple[str, ...] = ()  # Python distributions, as pip takes them
    packages: tuple[str, ...] = ()  # of the system, that the base must have
    exclude: tuple[str, ...] = ()  # patterns of files of the folder that stay outside
    base: str = ""  # the image it is put on
    include: tuple[str, ...] = ()  # [data]: files and folders that go in, in a layer of their own
    mount: Mapping[str, str] = field(
        default_factory=dict
    )  # [data]: parameter -> where in the image its data is mounted
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in self.requirements:
            if not _REQUIREMENT.fullmatch(text):
                raise LoadError(f"The requirement {text!r:.80} cannot be read.", hint="Write it as 'numpy>=1.26,<3'.")
        for text in self.packages:
            if not _PACKAGE.fullmatch(text):
                raise LoadError(f"{text!r:.80} is no name of a package.", hint="Write it as 'libgomp1'.")
        for name, place in self.mount.items():
            if self.parameters and name not in self.parameters:
                raise LoadError(
                    f"[data] mounts {name!r}, which is no parameter; there is {listed(self.parameters)}.",
                    hint=did_you_mean(name, self.parameters) or "Write PARAMETER = '/place'.",
                )
            parts = place.split("/")
            if not place.startswith("/") or len(place) < 2 or {"", ".", ".."} & set(parts[1:]):
                raise LoadError(f"[data] mounts {name!r} at {place!r}.", hint="Write a place such as '/archive'.")


_DATA = {"include", "mount", "fetch"}  # fetch is for the reader: what gets the data
_ELSEWHERE = {"include", "mount", "parameters", "requirements"}


def read(toml: Mapping[str, Any], *, where: str) -> Spec:
    """Return what a workflow.toml says. Raises LoadError for what it may not say."""
    image, data = _table(toml, "image", where), _table(toml, "data", where)
    known = {entry.name for entry in fields(Spec)} - _ELSEWHERE
    for table, names, title in ((image, known, "image"), (data, _DATA, "data")):
        for name in table:
            if name not in names:
                raise LoadError(
                    f"[{title}] of {where} has {name!r}; it takes {listed(sorted(names))}.",
                    hint=did_you_mean(name, names),
                )
    values = {**image, **{name: value for name, value in data.items() if name in _ELSEWHERE}}
    values["requirements"] = toml.get("requirements", [])
    values = {name: _typed(name, value, where) for name, value in values.items()}
    return Spec(**values, parameters=_table(toml, "parameters", where))


def _table(toml: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    table = toml.get(name, {})
    if not isinstance(table, dict):
        raise LoadError(f"[{name}] of {where} is not a table.", hint=f"Write [{name}] and name = value below it.")
    return table


def _typed(name: str, value: Any, where: str) -> Any:
    wanted = getattr(Spec(), name)
    if isinstance(wanted, str) and isinstance(value, str):
        return value
    if isinstance(wanted, tuple) and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    if isinstance(wanted, dict) and isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return value
    form = (
        "a text" if isinstance(wanted, str) else "a list of texts" if isinstance(wanted, tuple) else "a table of texts"
    )
    raise LoadError(f"{where} has {name} = {value!r:.60}.", hint=f"It is {form}.")
