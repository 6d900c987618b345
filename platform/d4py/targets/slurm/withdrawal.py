# SPDX-License-Identifier: Apache-2.0
"""Takes jobs back that wait: nobody in them reads what a run is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.runs.submission import submission
from d4py.runs.sweep import Sweep
from d4py.targets.slurm.commands import cancel_jobs, queued
from d4py.targets.slurm.status import jobs_of

if TYPE_CHECKING:
    from d4py.runs import Folder


def withdraw(folder: Folder) -> bool:
    """Cancel those jobs of a run, or of a sweep, that wait, and none that begins meanwhile; what has not begun is cancelled with that. Whether there were some."""
    runs = [member.folder for member in folder.members] if isinstance(folder, Sweep) else [folder]
    jobs = {job: run for run in runs for job in jobs_of(run)}
    states = queued(*jobs)
    waiting = {job: run for job, run in jobs.items() if states.get(job, ("", ""))[0] == "PENDING"}
    cancel_jobs(*waiting, waiting=True)
    for run in waiting.values():
        sent = submission(run.path)
        if sent is not None and not (run.path / "run.json").exists():
            sent.cancelled = True
            sent.write(run.path)
    return bool(waiting)
