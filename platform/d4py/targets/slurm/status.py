# SPDX-License-Identifier: Apache-2.0
"""How a run on Slurm is doing: by its state file first, then by what Slurm knows of its job. What is not known is no failure."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from d4py.errors import UsageError
from d4py.runs.state import Status
from d4py.runs.submission import submission
from d4py.runs.sweep import Sweep
from d4py.targets.slurm.commands import SlurmError, accounted, cancel_jobs, queued

if TYPE_CHECKING:
    from collections.abc import Collection

    from d4py.runs import Folder, State

_EACH = 3.0  # seconds between two questions to Slurm
_GRACE = 15.0  # seconds that a job which is gone may still be about to write its state
_WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
_ALIVE = (*_WAITING, *_RUNNING)


def jobs_of(folder: Folder) -> list[str]:
    """Return the ids of a run's jobs, the newest last: those that were submitted, and those that jobs submitted."""
    sent = submission(folder.path)
    ids = folder.path / "job" / "ids"
    more = ids.read_text(encoding="utf-8").split() if ids.exists() else []
    jobs = [*(sent.jobs if sent else []), *more]
    return jobs if sent is None or sent.member is None else [_task(job, sent.member) for job in jobs]


def _task(job: str, number: int) -> str:
    """Return the id of a task of an array."""
    array, semicolon, cluster = job.partition(";")
    return f"{array}_{number}{semicolon}{cluster}"


class Watcher:
    """Tells the state of a run again and again, or of a sweep and its members, and asks Slurm now and then only."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._runs = [member.folder for member in folder.members] if isinstance(folder, Sweep) else [folder]
        self._asked = -_EACH
        self._names: dict[str, str] = {}  # Slurm's words for how jobs are doing
        self._sure: set[tuple[str, bool]] = (
            set()
        )  # the jobs that it was asked about, and whether their runs had stopped

    def state(self) -> State:
        """Return the state of the run, or of the whole sweep."""
        states = self.states()
        return self._folder.together(states) if isinstance(self._folder, Sweep) else states[0]

    def states(self) -> list[State]:
        """Return the states of the members of the sweep; of a run its own."""
        states = [run.state() for run in self._runs]
        open_ = {
            index: _Open(run, states[index], past)
            for index, run in enumerate(self._runs)
            if (past := _past(run, states[index])) or not _settled(states[index])
        }
        if open_ and (time.monotonic() - self._asked >= _EACH or {one.question for one in open_.values()} - self._sure):
            self._asked = time.monotonic()
            self._names = _names(open_.values())
            self._sure = {one.question for one in open_.values()}
        for index, one in open_.items():
            states[index] = one.judged(self._names.get(one.job))
        return states


def state_of(folder: Folder) -> State:
    """Return the state of a run."""
    return Watcher(folder).state()


def states_of(sweep: Sweep) -> list[State]:
    """Return the states of the members of a sweep."""
    return Watcher(sweep).states()


def _settled(state: State) -> bool:
    return state.status.over and state.status is not Status.STOPPED


def _past(run: Folder, state: State) -> bool:
    """Whether a newer job was sent than the one that left this state."""
    sent = submission(run.path)
    return sent is not None and state.generation < sent.generation


def _names(runs: Collection[_Open]) -> dict[str, str]:
    """Return Slurm's words for how the newest jobs of runs are doing, where it has any."""
    jobs = [one.job for one in runs if one.job]
    known = {job: state for job, (state, _) in queued(*jobs).items()}
    forgotten = [job for job in jobs if job not in known]
    known |= accounted(*forgotten) if forgotten else {}
    moved = [one for one in runs if known.get(one.job) not in _ALIVE and one.renewed()]
    return _names(runs) if moved else known


class _Open:
    """A run whose folder alone does not say how it is doing."""

    def __init__(self, run: Folder, state: State, past: bool) -> None:
        self.run, self.state, self.past = run, state, past
        self.job = ""
        self.renewed()

    @property
    def question(self) -> tuple[str, bool]:
        """What Slurm is asked: of which job, and whether what is over may go on."""
        return self.job, self.state.status is Status.STOPPED

    def renewed(self) -> bool:
        """Look for the newest job; return whether it is another: one that ended may have submitted it."""
        before, self.job = self.job, next(reversed(jobs_of(self.run)), "")
        return self.job != before

    def judged(self, name: str | None) -> State:
        """Return the state, by what Slurm says of the newest job."""
        if self.past and name in _ALIVE:
            self.state.status, self.state.exit_code, self.state.error = Status.QUEUED, None, ""
            return self.state
        return _judged(self.run, self.state, name)


def _judged(folder: Folder, state: State, name: str | None) -> State:
    stays = state.status is Status.STOPPED and name in _RUNNING and not _ended(folder)  # it has yet to go on
    if name in _WAITING or stays:
        if state.status is not Status.QUEUED:
            state.error = f"{state.error}; it goes on in a job that waits" if state.error else "its job waits"
            state.exit_code = None
        state.status = Status.QUEUED
    elif name not in _RUNNING and not state.status.over and (refusal := _refusal(folder)):
        state.status, state.exit_code, state.error = Status.FAILED, UsageError.exit_code, refusal
    elif name not in _RUNNING and not state.status.over and _quiet(folder):
        state.status, state.exit_code = Status.LOST, 5
        state.error = f"its job has ended{f' ({name.lower()})' if name else ''} without a word{_why(folder)}"
    return state


def _why(folder: Folder) -> str:
    """Return why a job may have ended without a word."""
    full = shutil.disk_usage(folder.path).free == 0
    return ": there is no space left on the device of its folder. Make room, then d4py resume" if full else ""


def told(folder: Folder) -> str:
    """Return the job of a run, and what Slurm says of it; of a sweep the arrays."""
    jobs = jobs_of(folder)
    if not jobs:
        return ""
    if isinstance(folder, Sweep):
        return f"{', '.join(jobs)}, of {len(folder.members)} tasks"
    known = queued(jobs[-1]).get(jobs[-1])
    if known is None:
        return f"{jobs[-1]}"
    state, reason = known
    return f"{jobs[-1]}, {state.lower()}" + (f" ({reason})" if reason not in ("", "None") else "")


def cancel(folder: Folder) -> None:
    """Cancel those jobs of a run, or of a sweep, that wait; what has not begun is cancelled with that."""
    runs = [member.folder for member in folder.members] if isinstance(folder, Sweep) else [folder]
    jobs = {job: run for run in runs for job in jobs_of(run)}
    states = queued(*jobs)
    waiting = [job for job in jobs if states.get(job, ("", ""))[0] in _WAITING]
    cancel_jobs(*waiting)
    for run in runs:
        sent = submission(run.path)
        if sent is not None and not (run.path / "run.json").exists():
            sent.cancelled = True
            sent.write(run.path)


def end(folder: Folder) -> None:
    """Kill the jobs of a run, or of a sweep."""
    for job in jobs_of(folder):
        try:
            cancel_jobs(job)
        except SlurmError:
            continue  # it is over


def _ended(folder: Folder) -> bool:
    """Whether a job said, after the run stopped, that it has done what it had to do."""
    stopped = (folder.path / "state.json").stat().st_mtime
    return any(path.stat().st_mtime >= stopped for path in (folder.path / "job").glob("exit.*"))


def _refusal(folder: Folder) -> str:
    """Return why a run did not begin, where its newest job has ended saying so."""
    sent = (folder.path / "submission.json").stat().st_mtime
    exits = [path for path in (folder.path / "job").glob("exit.*") if path.stat().st_mtime >= sent]
    if (folder.path / "run.json").exists() or not exits:
        return ""
    if max(exits, key=lambda path: path.stat().st_mtime).read_text(encoding="utf-8").strip() != str(
        UsageError.exit_code
    ):
        return ""
    logs = sorted((folder.path / "logs").glob("job-*.log"), key=lambda path: path.stat().st_mtime)
    lines = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines() if logs else []
    told = [line.partition("d4py: error: ")[2] for line in lines if "d4py: error: " in line]
    return told[-1] if told else "its job could not begin it"


def _quiet(folder: Folder) -> bool:
    """Whether nothing was written for a while."""
    paths = [folder.path / name for name in ("state.json", "submission.json", "job")]
    newest = max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
    return time.time() - newest > _GRACE
