# SPDX-License-Identifier: Apache-2.0
"""The target that a run was sent to, by what its folder says."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError
from d4py.runs.state import Status
from d4py.runs.submission import submission

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d4py.runs import Folder, State
    from d4py.runs.sweep import Sweep

_ROOMS = ("slurm",)


def target_of(folder: Folder) -> Any:
    """Return the room of a run's target; None where it runs on this machine."""
    sent = submission(folder.path)
    if sent is None:
        return None
    if sent.target not in _ROOMS:
        raise StateError(
            f"The run {sent.run!r} was sent to {sent.target!r}, which this d4py does not know.",
            hint="Use the d4py that sent it.",
        )
    return importlib.import_module(f"d4py.targets.{sent.target}")


def look_at(folder: Folder) -> Callable[[], State]:
    """Return what tells the state of a run, wherever it is; it may be called often."""
    room = target_of(folder)
    if room is None:
        return folder.state
    look: Callable[[], State] = room.Watcher(folder).state
    return look


def look_at_each(folders: Sequence[Folder], *, sure: bool = False) -> list[State]:
    """Return the states of runs and of whole sweeps, wherever they are. Each target is asked once for all of its own.

    sure: to raise what a target says where it cannot be asked, instead of telling what the folders say.
    """
    rooms = [target_of(folder) for folder in folders]
    asked = {
        room: iter(
            room.Watcher(*(folder for folder, its in zip(folders, rooms, strict=True) if its is room), sure=sure).each()
        )
        for room in set(rooms) - {None}
    }
    return [folder.state() if room is None else next(asked[room]) for folder, room in zip(folders, rooms, strict=True)]


def going_on(folders: Sequence[Folder]) -> list[Folder]:
    """Return those runs and sweeps that go on, or that something waits to go on with. What cannot be read does not.

    Raises UsageError where a target cannot be asked: then nobody knows.
    """
    known = [folder for folder in folders if _status(folder) is not None]
    states = zip(known, look_at_each(known, sure=True), strict=True)
    on = {folder for folder, state in states if not state.status.over}
    rest = [folder for folder in known if folder not in on and _status(folder) is not Status.DONE]
    rooms = [target_of(folder) for folder in rest]
    for room in set(rooms) - {None}:
        on.update(room.held([folder for folder, its in zip(rest, rooms, strict=True) if its is room]))
    return [folder for folder in folders if folder in on]


def _status(folder: Folder) -> Status | None:
    """Return what a folder says; None where it is damaged."""
    try:
        submission(folder.path)
        return folder.state().status
    except StateError:
        return None


def look_at_all(sweep: Sweep) -> list[State]:
    """Return the states of the members of a sweep, wherever they are."""
    room = target_of(sweep)
    if room is None:
        return [member.folder.state() for member in sweep.members]
    states: list[State] = room.Watcher(sweep).states()
    return states
