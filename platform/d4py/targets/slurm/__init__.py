# SPDX-License-Identifier: Apache-2.0
"""A cluster under Slurm: a job that runs `d4py run`, and continues it where its time was too short."""

from d4py.targets.slurm.job import Job
from d4py.targets.slurm.profile import Profile
from d4py.targets.slurm.status import Watcher, cancel, end, state_of, told
from d4py.targets.slurm.submit import resubmit, script_of, submit

__all__ = ["Job", "Profile", "Watcher", "cancel", "end", "resubmit", "script_of", "state_of", "submit", "told"]
