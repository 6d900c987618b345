# SPDX-License-Identifier: Apache-2.0
"""How a run on Slurm is doing: by its state file first, then by what Slurm knows of its job. What is not known is no failure."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from d4py.runs.state import Status
from d4py.runs.submission import submission
from d4py.targets.slurm.commands import SlurmError, accounted, cancel_job, queued

if TYPE_CHECKING:
    from d4py.runs import Folder, State

_EACH = 3.0  # seconds between two questions to Slurm
_GRACE = 15.0  # seconds that a job which is gone may still be about to write its state
_WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_ALIVE = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")


def jobs_of(folder: Folder) -> list[str]:
    """Return the ids of a run's jobs, the newest last: those that were submitted, and those that jobs submitted."""
    sent = submission(folder.path)
    ids = folder.path / "job" / "ids"
    more = ids.read_text(encoding="utf-8").split() if ids.exists() else []
    return [*(sent.jobs if sent else []), *more]


class Watcher:
    """Tells the state of a run again and again, and asks Slurm now and then only."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._asked = -_EACH
        self._name: str | None = None

    def state(self) -> State:
        """Return the state of the run."""
        state = self._folder.state()
        sent = submission(self._folder.path)
        past = sent is not None and state.generation < sent.generation
        if state.status.over and state.status is not Status.STOPPED and not past:
            return state
        if time.monotonic() - self._asked >= _EACH:
            self._asked = time.monotonic()
            jobs = jobs_of(self._folder)
            self._name = _name(jobs)
            if jobs_of(self._folder) != jobs:  # it has submitted the next meanwhile
                self._name = _name(jobs_of(self._folder))
        if past and self._name in (*_WAITING, *_ALIVE):
            state.status, state.exit_code, state.error = Status.QUEUED, None, ""
            return state
        return _judged(self._folder, state, self._name)


def state_of(folder: Folder) -> State:
    """Return the state of a run."""
    return Watcher(folder).state()


def _name(jobs: list[str]) -> str | None:
    """Return Slurm's word for how the newest job is doing; None where it has none."""
    if not jobs:
        return None
    known = queued(jobs[-1])
    return known[0] if known else accounted(jobs[-1])


def _judged(folder: Folder, state: State, name: str | None) -> State:
    if name in _WAITING:
        if state.status is not Status.QUEUED:
            state.error = f"{state.error}; it goes on in a job that waits" if state.error else "its job waits"
            state.exit_code = None
        state.status = Status.QUEUED
    elif name in _ALIVE and state.status is Status.STOPPED:  # its job may be about to submit the next
        state.status, state.exit_code = Status.RUNNING, None
    elif name not in _ALIVE and not state.status.over and _quiet(folder):
        state.status, state.exit_code = Status.LOST, 5
        state.error = f"its job has ended{f' ({name.lower()})' if name else ''} without a word{_why(folder)}"
    return state


def _why(folder: Folder) -> str:
    """Return why a job may have ended without a word."""
    full = shutil.disk_usage(folder.path).free == 0
    return ": there is no space left on the device of its folder. Make room, then d4py resume" if full else ""


def told(folder: Folder) -> str:
    """Return the job of a run, and what Slurm says of it."""
    jobs = jobs_of(folder)
    if not jobs:
        return ""
    known = queued(jobs[-1])
    if known is None:
        return f"{jobs[-1]}"
    state, reason = known
    return f"{jobs[-1]}, {state.lower()}" + (f" ({reason})" if reason not in ("", "None") else "")


def cancel(folder: Folder) -> bool:
    """Cancel the jobs of a run that has not begun; return whether that is all there is to do."""
    sent = submission(folder.path)
    begun = (folder.path / "run.json").exists()
    waiting = [job for job in jobs_of(folder) if (queued(job) or ("", ""))[0] in _WAITING]
    for job in waiting:
        cancel_job(job)
    if begun or sent is None:
        return bool(waiting)
    sent.cancelled = True
    sent.write(folder.path)
    return True


def end(folder: Folder) -> None:
    """Kill the jobs of a run."""
    for job in jobs_of(folder):
        try:
            cancel_job(job)
        except SlurmError:
            continue  # it is over


def _quiet(folder: Folder) -> bool:
    """Whether nothing was written for a while."""
    paths = [folder.path / name for name in ("state.json", "submission.json", "job")]
    newest = max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
    return time.time() - newest > _GRACE
