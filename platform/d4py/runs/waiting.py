# SPDX-License-Identifier: Apache-2.0
"""Waiting for a run of another process: woken by the end of that process, else by looking now and then."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

from d4py.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.runs.folder import Folder
    from d4py.runs.state import State

_LOOK = 0.02  # seconds between looks, at first
_LONGEST = 0.25


def until(
    folder: Folder,
    wanted: Callable[[State], bool],
    *,
    timeout: float | None = None,
    look: Callable[[], State] | None = None,
) -> State | None:
    """Return the state once it is as wanted, or the run is over; None when the time is up. look: tells the state, if not the folder alone."""
    look = look or folder.state
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _LOOK
    while True:
        state = look()
        if wanted(state) or state.status.over:
            return state
        left = _LONGEST if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return None
        sleep(state.pid, min(pause, left))
        pause = min(_LONGEST, pause * 1.5)


def sleep(pid: int, seconds: float) -> None:
    """Let time pass, but not beyond the end of a process."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # another system, another host, or gone
        time.sleep(seconds)
        return
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)


def going_on(folder: Folder, *, what: str, look: Callable[[], State] | None = None) -> State:
    """Return the state of a run that goes on. Raises StateError, saying that it can't be asked to do `what`."""
    state = (look or folder.state)()
    if state.status.over:
        raise StateError(
            f"The run {state.run!r} cannot be {what}: it is {state.status.value}.", hint=f"See d4py status {state.run}."
        )
    return state
