# SPDX-License-Identifier: Apache-2.0
"""A sweep: one workflow with each combination of some parameters. A run's folder that holds those of its members, named 0, 1, 2 ..."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.errors import StateError, UnknownRun
from d4py.runs import atomic
from d4py.runs.folder import Folder
from d4py.runs.state import State, Status
from d4py.runs.submission import submission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILE, PARAMETERS = "sweep.json", "parameters.json"
VERSION = 1
WORST = (2, 3, 6, 5, 4, 0)  # exit codes; of several the first counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One run of a sweep, as its sweep knows it."""

    number: int
    parameters: Mapping[str, str]  # as text, like those of --set
    folder: Folder


class Sweep(Folder):
    """A sweep's files."""

    @classmethod
    def lay(cls, path: Path, run: str, names: Sequence[str], members: Sequence[Sequence[str]]) -> Sweep:
        """Write what the members are to be: for each a folder with its parameters, which its job reads."""
        for number, values in enumerate(members):
            folder = path / str(number)
            for room in (folder / "job", folder / "logs"):
                room.mkdir(parents=True, exist_ok=True)
            parameters = dict(zip(names, values, strict=True))
            atomic.write_json(folder / PARAMETERS, parameters, durable=False)
        data = {"version": VERSION, "id": run, "names": list(names), "members": [list(values) for values in members]}
        atomic.write_json(path / FILE, data)
        return cls(path)

    @cached_property
    def members(self) -> list[Member]:
        """The members, by number."""
        data = self._json(FILE)
        try:
            if data["version"] != VERSION:
                raise StateError(
                    f"The sweep in {self.path} has format {data['version']}; this d4py reads {VERSION}.",
                    hint="Use the d4py that made it.",
                )
            return [
                Member(
                    number=number,
                    parameters=dict(zip(data["names"], values, strict=True)),
                    folder=Folder(self.path / str(number)),
                )
                for number, values in enumerate(data["members"])
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(FILE, repr(error)) from None

    def member(self, number: str) -> Folder:
        """Return the folder of a member. Raises UnknownRun."""
        if not (number.isascii() and number.isdigit() and int(number) < len(self.members)):
            raise UnknownRun(
                f"The sweep {self.path.name!r} has no member {number!r}; it has 0 to {len(self.members) - 1}.",
                hint=f"d4py status {self.path.name} shows them.",
            )
        return self.members[int(number)].folder

    def state(self) -> State:
        """Return the state of the whole, by what the members' folders say."""
        return self.together([member.folder.state() for member in self.members])

    def together(self, states: Sequence[State]) -> State:
        """Return the state of the whole from those of the members."""
        sent = submission(self.path)
        blank = sent.state if sent else State(run=self.path.name, status=Status.QUEUED)
        return summed(blank, states)

    def request(self, kind: str) -> None:
        """Ask each member that is not over."""
        for member in self.members:
            if not member.folder.state().status.over:
                member.folder.request(kind)

    def description(self) -> NoReturn:
        """A sweep has no plan, no checkpoints and no outputs of its own; say whose there are."""
        raise StateError(
            f"The run {self.path.name!r} is a sweep of {len(self.members)} runs.",
            hint=f"Name one of them: {self.path.name}/0.",
        )


def is_sweep(path: Path) -> bool:
    """Whether a folder holds a sweep."""
    return (path / FILE).is_file()


def sweep_of(folder: Folder) -> Sweep | None:
    """Return the sweep that a run is a member of."""
    return Sweep(folder.path.parent) if is_sweep(folder.path.parent) and folder.path.name.isdigit() else None


def summed(blank: State, states: Sequence[State]) -> State:
    """Return one state for many. blank: who they are, together. Over are they when all are; then the worst exit code counts."""
    state = State(run=blank.run, mapping=blank.mapping, workflow=blank.workflow, created=blank.created)
    state.started = min((one.started for one in states if one.started), default="")
    state.seconds = sum(one.seconds for one in states)
    state.error = _counted(states)
    if all(one.status.over for one in states):
        worst = min(states, key=lambda one: WORST.index(code_of(one)))
        state.status, state.exit_code = worst.status, code_of(worst)
        state.ended = max(one.ended for one in states)
        state.error = "" if state.exit_code == 0 else state.error
    elif all(one.status is Status.QUEUED for one in states):
        state.status, state.error = Status.QUEUED, ""
    else:
        state.status = Status.RUNNING
    return state


def code_of(state: State) -> int:
    """Return the exit code of a run that is over; where its state has none it can be resumed."""
    return state.exit_code if state.exit_code in WORST else 5


def _counted(states: Sequence[State]) -> str:
    """Return how many are how: `2 of 8 done, 6 queued`."""
    counts: dict[str, int] = {}
    for status in Status:
        number = sum(one.status is status for one in states)
        if number:
            counts[status.value] = number
    done = counts.pop(Status.DONE.value, 0)
    return ", ".join([f"{done} of {len(states)} done", *(f"{number} {status}" for status, number in counts.items())])


def as_json(member: Member, state: State) -> dict[str, Any]:
    """Return a member for machines."""
    return {
        "member": member.number,
        "parameters": dict(member.parameters),
        **state.to_json(),
        "folder": str(member.folder.path),
    }
