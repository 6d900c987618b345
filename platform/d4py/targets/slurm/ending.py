# SPDX-License-Identifier: Apache-2.0
"""Ends runs on Slurm: the jobs that wait, and those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.runs.state import Status
from d4py.runs.submission import submission
from d4py.targets.slurm.commands import cancel_jobs, queued
from d4py.targets.slurm.status import ALIVE, WAITING, Watcher, jobs_of, runs_of

if TYPE_CHECKING:
    from d4py.runs import Folder, State


def cancel(folder: Folder) -> None:
    """Cancel those jobs of a run, or of a sweep, that wait; what has not begun is cancelled with that."""
    runs = runs_of(folder)
    cancel_jobs(*_waiting(runs))
    for run in runs:
        _mark(run)


def withdraw(folder: Folder) -> None:
    """Cancel those jobs of a run, or of a sweep, that wait, and none that begins meanwhile: that is told itself."""
    waiting = _waiting(runs_of(folder))
    cancel_jobs(*waiting, waiting=True)
    for run in waiting.values():
        _mark(run)


def _waiting(runs: list[Folder]) -> dict[str, Folder]:
    """Return the jobs of runs that wait."""
    jobs = {job: run for run in runs for job in jobs_of(run)}
    states = queued(*jobs)
    return {job: run for job, run in jobs.items() if states.get(job, ("", ""))[0] in WAITING}


def _mark(run: Folder) -> None:
    sent = submission(run.path)
    if sent is not None and not (run.path / "run.json").exists():
        sent.cancelled = True
        sent.write(run.path)


def end(folder: Folder, *, now: bool = False) -> list[Folder]:
    """Kill the jobs of a run that was cancelled, or of those of a sweep that were; return which of them had not ended by themselves.

    What is done has its job end by itself, and what has a live source drains. now: that is killed, too.
    """
    dying = [
        (run, state)
        for run, state in zip(runs_of(folder), Watcher(folder).states(), strict=True)
        if state.status is Status.CANCELLED or not (state.status.over or (_drains(state) and not now))
    ]
    jobs = {run: jobs_of(run) for run, _ in dying}
    known = queued(*(job for some in jobs.values() for job in some))
    left = {job for job, (name, _) in known.items() if name in ALIVE}
    cancel_jobs(*dict.fromkeys(job for some in jobs.values() for job in some if job in left))
    return [run for run, state in dying if not state.status.over and left.intersection(jobs[run])]


def _drains(state: State) -> bool:
    """Whether a run that was asked to end takes its time for it: what a live source gave is worked off."""
    return state.live and state.status is Status.RUNNING
