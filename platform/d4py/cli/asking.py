# SPDX-License-Identifier: Apache-2.0
"""Asking the process of a run for something, and waiting a little for the effect."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from d4py.cli.parser import Namespace, Parser, seconds
from d4py.cli.summary import run_name
from d4py.cli.table import number_of, painted_status
from d4py.runs import Folder, State, Status, find
from d4py.runs.sweep import Sweep
from d4py.runs.waiting import going_on, until
from d4py.targets.find import look_at, target_of

_AGAIN = 0.5  # seconds between two looks for a job that is about to be sent


def add_patience(parser: Parser) -> None:
    """Take how long to wait for the effect."""
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=10.0, help="how long to wait for the effect (default: 10)"
    )


def asked(kind: str, args: Namespace, *, what: str, effect: Callable[[Folder, State], bool]) -> int:
    """Ask, wait for the effect, say what happened. Exits 0 also where the effect is still to come: what was asked stays asked."""
    folder = find(args.run)
    look, room = look_at(folder), target_of(folder)
    if room is not None and kind == "cancel" and look().status.over:
        room.notice(folder)  # perhaps a job is to go on with it
    going_on(folder, what=what, look=look)
    now = kind == "cancel" and args.now
    suspends = room is not None and kind == "suspend"
    for _ in range(2 if now else 1):  # the first has live sources drain, the second ends that
        folder.request(kind)
    if room is not None and kind == "cancel":
        room.cancel(folder)
    if suspends and isinstance(folder, Sweep):
        room.withdraw(folder)  # what waits has nobody to read what was asked
        look = look_at(folder)

    def turned(state: State) -> bool:
        """Whether the effect is there, or a run waits that is to be suspended: nobody reads that then."""
        return effect(folder, state) or (suspends and state.status is Status.QUEUED)

    state = until(folder, turned, timeout=args.timeout, look=look)
    if suspends and (state or look()).status is Status.QUEUED:
        state = _taken_back(room, folder, partial(effect, folder), args.timeout)
    killed = len(room.end(folder, now=now)) if room is not None and kind == "cancel" else 0
    last = look()
    name = run_name(folder.path, last.run)
    if killed:
        which = (
            f"{number_of(killed, 'run')} killed, not ended" if isinstance(folder, Sweep) else "killed: it had not ended"
        )
        print(f"{name}: {which} after {args.timeout:g} s. Continue: d4py resume {name}")
    elif state is None and kind == "cancel" and drains(folder):
        print(
            f"{name}: asked to cancel; it drains. Wait: d4py wait {name}; or d4py cancel {name} --now", file=sys.stderr
        )
    elif state is None:
        print(f"{name}: asked to {kind}; it goes on, perhaps in a long call. Wait: d4py wait {name}", file=sys.stderr)
    elif state.status.over:
        print(f"{name}: {painted_status(state.status.value)}{tail(state, name)}")
    else:
        print(f"{name}: checkpoint {epoch_of(folder)} made; the run goes on")
    return 0


def _taken_back(room: Any, folder: Folder, effect: Callable[[State], bool], timeout: float) -> State | None:
    """Take back the jobs that wait to go on with a run, as soon as there are some: the one before may be about to send the next."""
    look, deadline = look_at(folder), time.monotonic() + timeout
    while not room.withdraw(folder):
        if time.monotonic() >= deadline:
            return None
        time.sleep(_AGAIN)
        if (state := look()).status is not Status.QUEUED:
            if not state.status.over:
                folder.request("suspend")  # the next job takes what was asked before for the last one's
            return until(folder, effect, timeout=timeout, look=look)
    return until(folder, effect, timeout=timeout, look=look_at(folder))


def drains(folder: Folder) -> bool:
    """Whether a run that was asked to end, or one of a sweep, takes its time: what a live source gave is worked off."""
    if isinstance(folder, Sweep):
        return any(drains(member.folder) for member in folder.members)
    state = folder.state()
    return state.live and not state.status.over


def epoch_of(folder: Folder) -> int:
    """Return the number of the last checkpoint."""
    commit = folder.last_commit()
    return commit.epoch if commit else 0


def tail(state: State, name: str) -> str:
    """Return what to do next."""
    if state.exit_code == 5:
        return f". Continue: d4py resume {name}"
    return f", exit code {state.exit_code}"
