# SPDX-License-Identifier: Apache-2.0
"""A sweep as one job array: a task for each member, which finds its parameters in its own folder."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import StateError, UsageError
from d4py.runs.submission import Submission, submission
from d4py.runs.sweep import PARAMETERS, Sweep, code_of, sweep_of
from d4py.targets.slurm.commands import SlurmError, call
from d4py.targets.slurm.script import Shell
from d4py.targets.slurm.status import states_of, take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from d4py.runs import Folder

_DONE = (0, 4)


class Place(NamedTuple):
    """How the words of a job name the run that is its own."""

    begin: Sequence[str]
    resume: str


def place_of_member(run: str) -> Place:
    """Return where a task of an array finds its run. Values of parameters are in a file there: no shell reads any of them."""
    begin = [
        Shell(f'--run-id={shlex.quote(run)}/"$SLURM_ARRAY_TASK_ID"'),
        Shell('--run-dir="$folder"'),  # a variable of the script
        Shell(f'--member="$folder/{PARAMETERS}"'),
    ]
    return Place(begin, Shell('"$folder"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """What a sweep is to be made of."""

    names: Sequence[str]
    values: Sequence[Sequence[str]]  # of each member one for each name
    at_once: int | None = None

    def parameters(self, number: int) -> dict[str, str]:
        """Return those of a member."""
        return dict(zip(self.names, self.values[number], strict=True))

    def lay(self, path: Path, run: str) -> Sweep:
        """Write it down."""
        return Sweep.lay(path, run, self.names, self.values)

    @property
    def flags(self) -> list[str]:
        """What sbatch is told."""
        limit = f"%{self.at_once}" if self.at_once else ""
        return [f"--array=0-{len(self.values) - 1}{limit}"]


def check_size(number: int) -> None:
    """Raise UsageError where an array of so many tasks is larger than this Slurm takes."""
    try:
        told = re.search(r"^MaxArraySize\s*=\s*(\d+)", call("scontrol", "show", "config"), re.MULTILINE)
    except SlurmError:
        return  # then sbatch says it
    most = int(told[1]) if told else number
    if number > most:
        raise UsageError(
            f"The sweep has {number:,} combinations; an array of this Slurm takes {most:,} (MaxArraySize).",
            hint="Sweep over fewer values, in several submissions.",
        )


def note(sweep: Sweep, sent: Submission) -> None:
    """Let each member know that its jobs are tasks of those of the sweep."""
    for member in sweep.members:
        own = Submission(
            run=f"{sent.run}/{member.number}",
            target=sent.target,
            workflow=sent.workflow,
            mapping=sent.mapping,
            created=sent.created,
            profile=sent.profile,
            jobs=list(sent.jobs),
            options={"accounting": sent.options.get("accounting", True)},
            member=member.number,
        )
        own.write(member.folder.path, durable=False)


def again(
    folder: Folder,
    sbatch: Callable[[Sequence[str], Path], str],
    prepare: Callable[[Folder], None],
    late: Collection[Path] = (),
) -> None:
    """Submit those members of a sweep again that are over and not done, or the one member that this is.

    prepare: is told of each before. late: those that were sent already, and only now were noted.
    """
    sweep = folder if isinstance(folder, Sweep) else sweep_of(folder)
    if sweep is None:
        raise StateError(f"The sweep of the member {folder.path} is gone.", hint="Continue it with --here.")
    if sweep is folder:
        states = states_of(sweep)
        due = [
            member
            for member, state in zip(sweep.members, states, strict=True)
            if state.status.over and code_of(state) not in _DONE
        ]
    else:
        due = [member for member in sweep.members if member.folder.path == folder.path]
    if not due and late:
        return
    if not due:
        raise StateError(
            f"The sweep {sweep.path.name!r} has nothing to continue: {sweep.state().error or 'all is done'}.",
            hint=f"See d4py status {sweep.path.name}.",
        )
    sent = submission(sweep.path)
    assert sent is not None
    flags = (sweep.path / "job" / "flags").read_text(encoding="utf-8").split("\0")
    limit = sent.options.get("at_once")
    array = ",".join(str(member.number) for member in due) + (f"%{limit}" if limit else "")
    for member in due:
        prepare(member.folder)
    job = sbatch([f"--array={array}", *flags], sweep.path / "job" / "script")
    for member in due:
        take_in(member.folder, job, durable=False)
    sent.jobs.append(job)
    sent.write(sweep.path)
