# SPDX-License-Identifier: Apache-2.0
"""What is asked of Slurm for a run: checked before Slurm sees it, for what it says is often hard to read."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,@+:/%-]*")
_FEATURES = re.compile(r"[A-Za-z0-9(\[][A-Za-z0-9_.,@+:/%&|*\[\]()-]*")  # also several: a&b, [a|b], a*2
_TIME = re.compile(r"(\d+-)?\d{1,6}(:\d{1,2}){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?")
_FLAG = re.compile(r"--[a-z][a-z0-9-]*(=[^\x00-\x1f\x7f]*)?")
_EARLY = 60  # seconds at most by which Slurm sends the signal early
_OURS = {  # flags that d4py sets, or that it would not survive; and what is to be given instead
    **dict.fromkeys(
        ("job-name", "comment", "chdir", "output", "error", "open-mode", "signal", "wrap", "dependency"), ""
    ),
    **dict.fromkeys(("export", "export-file", "requeue", "no-requeue"), "Set it in the profile"),
    **dict.fromkeys(("help", "usage", "version", "test-only", "parsable", "quiet", "verbose"), ""),
    **dict.fromkeys(("ntasks", "ntasks-per-node"), "Give --nodes and --ntasks-per-node"),
    "array": "Give --sweep",
    "wait": "Give --wait",
}


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


def checked_flags(given: Sequence[str]) -> tuple[str, ...]:
    """Return further flags of sbatch, each in its long form. Raises UsageError for what would break what d4py sets."""
    known = {
        **{field.name.replace("_", "-"): f"Give --{field.name.replace('_', '-')}" for field in fields(Job)},
        **_OURS,
    }
    flags = tuple(text if text.startswith("-") else f"--{text}" for text in given)
    for text, flag in zip(given, flags, strict=True):
        name = flag[2:].partition("=")[0]
        if not _FLAG.fullmatch(flag):
            raise UsageError(
                f"--sbatch takes {text!r:.60} not.",
                hint="Write a flag of sbatch in its long form: --sbatch=--gres=gpu:1.",
            )
        ours = [own for own in known if own == name] or [
            own for own in known if own.startswith(name)
        ]  # sbatch takes beginnings
        if ours:
            raise UsageError(
                f"--sbatch={flag} would break what d4py itself sets.", hint=f"{known[ours[0]] or 'Leave it away'}."
            )
    return flags


def check_time(time: str | None, margin: int) -> None:
    """Raise UsageError where a job may be told of its end before it can begin. margin: seconds before it."""
    least = margin + _EARLY
    if time is not None and 0 < _seconds(time) < least:  # none is no limit
        raise UsageError(
            f"--time {time} is too short: the job is told of its end {margin} s before it, and Slurm tells it up to {_EARLY} s early.",
            hint=f"Give at least {-(-least // 60)} minutes, or a smaller margin in a profile.",
        )


def _seconds(time: str) -> int:
    """Return what a time means, as Slurm reads it."""
    days, dash, rest = time.rpartition("-")
    numbers = [int(number) for number in rest.split(":")]
    if dash or len(numbers) == 3:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


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
    _check(options, "constraint", _FEATURES, "Letters, digits and _.,@+:/%-&|*[]() are allowed.")
    for name in known - {"nodes", "ntasks_per_node", "cpus_per_task", "time", "mem", "constraint"}:
        _check(options, name, _WORD, "Letters, digits and _.,@+:/%- are allowed.")
    return Job(**options)  # type: ignore[arg-type]


def _present(given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def _check(options: Mapping[str, object], name: str, form: re.Pattern[str], hint: str) -> None:
    value = options.get(name)
    if value is not None and not form.fullmatch(str(value)):
        raise UsageError(f"--{name} is {str(value)!r:.60}.", hint=hint)
