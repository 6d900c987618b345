# SPDX-License-Identifier: Apache-2.0
"""What is asked of Slurm for a run: checked before Slurm sees it, for what it says is often hard to read."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,@+:/%-]*")
_TIME = re.compile(r"(\d+-)?\d{1,4}(:\d{1,2}){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Nodes, time and place of a job."""

    nodes: int = 1
    ntasks_per_node: int = 1
    cpus_per_task: int | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    mem: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    clusters: str | None = None

    @property
    def ranks(self) -> int:
        """How many ranks it has."""
        return self.nodes * self.ntasks_per_node

    @property
    def flags(self) -> list[str]:
        """What sbatch is told."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]


def checked(given: Mapping[str, object], defaults: Mapping[str, object]) -> Job:
    """Return a job of what is given, and of a profile's defaults. Raises UsageError for what Slurm would not understand."""
    known = {field.name for field in fields(Job)}
    options = {name: value for name, value in {**defaults, **_present(given)}.items() if name in known}
    for name in ("nodes", "ntasks_per_node", "cpus_per_task"):
        value = options.get(name, 1)
        if type(value) is not int or not 1 <= value <= 1_000_000:
            raise UsageError(f"--{name.replace('_', '-')} is {value!r}.", hint="Give a whole number of at least 1.")
    _check(options, "time", _TIME, "Write it as minutes, hours:minutes:seconds or days-hours:minutes:seconds.")
    _check(options, "mem", _MEMORY, "Write it as megabytes, or 4G.")
    for name in known - {"nodes", "ntasks_per_node", "cpus_per_task", "time", "mem"}:
        _check(options, name, _WORD, "Letters, digits and _.,@+:/%- are allowed.")
    return Job(**options)  # type: ignore[arg-type]


def _present(given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def _check(options: Mapping[str, object], name: str, form: re.Pattern[str], hint: str) -> None:
    value = options.get(name)
    if value is not None and not form.fullmatch(str(value)):
        raise UsageError(f"--{name} is {str(value)!r:.60}.", hint=hint)
