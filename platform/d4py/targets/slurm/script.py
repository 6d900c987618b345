# SPDX-License-Identifier: Apache-2.0
"""The script of a job. Every word that comes from a user is quoted; options are words of sbatch's own command line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.targets.slurm.job import Job
    from d4py.targets.slurm.profile import Profile

# The job runs d4py, tells it when its time is nearly over, and has what is left continued.
_SCRIPT = r"""#!/bin/bash
# The job of the run {run}, made by d4py. It is submitted as
#   {sbatch}
{prologue}
set -u
unset SLURM_EXPORT_ENV  # else what mpiexec starts has no environment
export SLURM_KILL_BAD_EXIT=1  # else a job of which a rank died at its start waits for ever
export D4PY_RANKS={ranks} D4PY_NODES={nodes} PYTHONUNBUFFERED=1
folder={folder}
cd {workdir} || exit 2
rm -f "$folder/job/exit.$SLURM_JOB_ID"  # of this job before it was requeued
{environment}if [ -e "$folder/run.json" ]; then
    set -- {resume}
else
    set -- {begin}
fi
cut=
trap 'cut=1; kill -USR1 "$child" 2>/dev/null' USR1
{launch} "$@" &
child=$!
wait "$child"
while kill -0 "$child" 2>/dev/null; do wait "$child"; done
wait "$child"
code=$?
if [ "$code" = 5 ] && [ -n "$cut" ]; then
    {again} && exit "$code"
fi
echo "$code" >"$folder/job/.exit.$SLURM_JOB_ID" && mv "$folder/job/.exit.$SLURM_JOB_ID" "$folder/job/exit.$SLURM_JOB_ID"
exit "$code"
"""
_AGAIN = {
    "requeue": 'scontrol requeue "$SLURM_JOB_ID"',
    "dependent": 'sbatch --parsable --dependency=afterany:"$SLURM_JOB_ID" {flags} "$folder/job/script" '
    '>>"$folder/job/ids"',
    "no": "false",
}
# What is in the environment of whoever submits is not in that of the run.
_WHEELS = """\
unset PYTHONPATH PYTHONHOME
{each}bash "$folder/job/environment" || exit 2
"""
_EACH_NODE = "srun --mpi=none --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 "
_LOCAL = "trap '{each}rm -rf \"$venv\"' EXIT\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a script is made of."""

    run: str
    folder: str
    workdir: str
    job: Job
    profile: Profile
    begin: Sequence[str]  # the words that begin the run
    resume: Sequence[str]  # those that continue it
    mpi: bool  # whether they are started on all ranks
    environment: str = ""  # the script that makes the environment which they are to run in

    @property
    def flags(self) -> list[str]:
        """What sbatch is told."""
        profile = self.profile
        stays = profile.again == "requeue"
        return [
            *(f"--job-name=d4py-{self.run}", f"--comment=d4py {self.run}", f"--chdir={self.folder}/job"),
            *(f"--output={self.folder}/logs/job-%j.log", "--open-mode=append"),
            *(f"--signal=B:USR1@{profile.margin}", f"--export={profile.export}"),
            *(["--requeue"] if stays and "--requeue" not in profile.forbidden else []),
            *profile.required,
            *self.job.flags,
        ]

    def _environment(self) -> str:
        """The lines that make the environment: once, or once on each node."""
        if not self.environment:
            return ""
        local = self.profile.local
        each = _EACH_NODE.format(nodes=self.job.nodes) if local else ""
        gone = f"venv={shlex.quote(venv_of(self.profile, self.run, self.folder))}\n" + _LOCAL.format(each=each)
        return (gone if local else "") + _WHEELS.format(each=each)

    @property
    def text(self) -> str:
        """The script."""
        quoted = shlex.join
        launch = quoted(self.profile.launch(self.job.ranks)) if self.mpi else "env"
        return _SCRIPT.format(
            run=self.run,
            sbatch=quoted(["sbatch", *self.flags, f"{self.folder}/job/script"]).replace("\n", "?"),
            prologue="\n".join(self.profile.prologue),
            ranks=self.job.ranks if self.mpi else 1,
            nodes=self.job.nodes if self.mpi else 1,
            folder=shlex.quote(self.folder),
            workdir=shlex.quote(self.workdir),
            environment=self._environment(),
            begin=quoted(self.begin),
            resume=quoted(self.resume),
            launch=launch,
            again=_AGAIN[self.profile.again].format(flags=quoted(self.flags)),
        )


def venv_of(profile: Profile, run: str, folder: str) -> str:
    """Return where the environment of a run is made of wheels."""
    return f"{profile.local.rstrip('/')}/d4py-{run}" if profile.local else f"{folder}/venv"
