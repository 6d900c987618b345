# SPDX-License-Identifier: Apache-2.0
"""A cluster under Slurm: a job that runs `d4py run`, and continues it where its time was too short."""

from d4py.targets.slurm.code import edited
from d4py.targets.slurm.job import Job
from d4py.targets.slurm.profile import Profile, find
from d4py.targets.slurm.status import Watcher, cancel, end, free, held, notice, state_of, told
from d4py.targets.slurm.submit import resubmit, script_of, submit
from d4py.targets.slurm.sweep import Members, check_size
from d4py.targets.slurm.withdrawal import withdraw

__all__ = [
    "Job",
    "Members",
    "Profile",
    "Watcher",
    "cancel",
    "check_size",
    "edited",
    "end",
    "find",
    "free",
    "held",
    "notice",
    "resubmit",
    "script_of",
    "state_of",
    "submit",
    "told",
    "withdraw",
]
