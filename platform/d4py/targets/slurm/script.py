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
{processors}folder={place}
cd {workdir} || exit 2
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
    "dependent": 'sbatch --parsable --dependency=afterany:"$SLURM_JOB_ID" {flags} {script} >>"$folder/job/ids"',
    "no": "false",
}
# srun does not take over what sbatch was told, and mpiexec would bind all threads of a rank to one processor.
_PROCESSORS = """\
export SRUN_CPUS_PER_TASK={}  # srun asks anew
export OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_hwloc_default_binding_policy=none I_MPI_PIN_DOMAIN=omp
"""
# What is in the environment of whoever submits is not in that of the run.
_WHEELS = """\
unset PYTHONPATH PYTHONHOME
{each}bash {script} || exit 2
"""
_EACH_NODE = "srun --mpi=none --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 "
_LOCAL = "venv={venv}\ntrap '{each}rm -rf \"$venv\"' EXIT\n"
_TASK = '"$SLURM_ARRAY_TASK_ID"'


class Shell(str):
    """A word as the shell is to read it: of ours alone, never of a user."""

    __slots__ = ()


def joined(words: Sequence[str]) -> str:
    """Return words for a shell: all quoted but those of ours."""
    return " ".join(word if isinstance(word, Shell) else shlex.quote(word) for word in words)


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
    sweep: bool = False  # whether it is the script of all members of a sweep, each a task of an array
    environment: str = ""  # the script that makes the environment which they are to run in

    @property
    def flags(self) -> list[str]:
        """What sbatch is told."""
        profile = self.profile
        stays = profile.again == "requeue"
        return [
            *(f"--job-name=d4py-{self.run}", f"--comment=d4py {self.run}", f"--chdir={self.folder}/job"),
            *(f"--output={self.folder}/{'%a/logs/job-%A' if self.sweep else 'logs/job-%j'}.log", "--open-mode=append"),
            *(f"--signal=B:USR1@{profile.margin}", f"--export={profile.export}"),
            *(["--requeue"] if stays and "--requeue" not in profile.forbidden else []),
            *profile.required,
            *self.job.flags,
        ]

    def _environment(self) -> str:
        """The lines that make the environment: once, or once on each node."""
        if not self.environment:
            return ""
        local = local_of(self.profile, self.run, sweep=self.sweep)
        each = _EACH_NODE.format(nodes=self.job.nodes) if local else ""
        gone = _LOCAL.format(venv=shlex.quote(local), each=each) if local else ""
        return gone + _WHEELS.format(each=each, script=shlex.quote(f"{self.folder}/job/environment"))

    @property
    def text(self) -> str:
        """The script."""
        quoted = joined
        launch = quoted(self.profile.launch(self.job.ranks)) if self.mpi else "env"
        script = f"{self.folder}/job/script"
        array = [Shell(f"--array={_TASK}")] if self.sweep else []
        return _SCRIPT.format(
            run=self.run,
            sbatch=quoted(["sbatch", *array, *self.flags, script]).replace("\n", "?"),
            prologue="\n".join(self.profile.prologue),
            ranks=self.job.ranks if self.mpi else 1,
            nodes=self.job.nodes if self.mpi else 1,
            processors=_PROCESSORS.format(self.job.cpus_per_task) if self.job.cpus_per_task else "",
            place=shlex.quote(self.folder) + (f"/{_TASK}" if self.sweep else ""),
            workdir=shlex.quote(self.workdir),
            environment=self._environment(),
            begin=quoted(self.begin),
            resume=quoted(self.resume),
            launch=launch,
            again=_AGAIN[self.profile.again].format(flags=quoted([*array, *self.flags]), script=shlex.quote(script)),
        )


def local_of(profile: Profile, run: str, *, sweep: bool) -> str:
    """Return where each node makes the environment of a run on its own disk; else it is in the run's folder. A sweep has one for all members."""
    return f"{profile.local.rstrip('/')}/d4py-{run}" if profile.local and not sweep else ""
