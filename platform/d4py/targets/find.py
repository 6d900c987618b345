# SPDX-License-Identifier: Apache-2.0
"""The target that a run was sent to, by what its folder says."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError
from d4py.runs.submission import submission

if TYPE_CHECKING:
    from collections.abc import Callable

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


def look_at_all(sweep: Sweep) -> list[State]:
    """Return the states of the members of a sweep, wherever they are."""
    room = target_of(sweep)
    if room is None:
        return [member.folder.state() for member in sweep.members]
    states: list[State] = room.Watcher(sweep).states()
    return states
