# SPDX-License-Identifier: Apache-2.0
"""Slurm's own programs, called with lists of words; no shell reads any of them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import StateError, UsageError
from d4py.mappings.launchers import untold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

JOB = re.compile(r"\d+(;[\w.-]+)?")  # what sbatch calls a job: its number, and its cluster where there are several
_AT_ONCE = 1000  # jobs that one call names
_PATIENCE = 60.0  # seconds; a controller that is busy answers late
_TOLD = ("SLURM_", "SLURMD_", "SRUN_CPUS_PER_TASK")  # to a job, of itself
_ABOUT_SLURM = ("SLURM_CLUSTERS", "SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")  # these a user sets
_MOST_LINES = 8  # of a refusal
_REMEDIES = {
    "contact slurm": "Try again when the cluster is well.",
    "socket timed out": "Try again when the cluster is well.",
    "partition": "sinfo lists the partitions; give one with --partition.",
    "account": "sacctmgr show associations lists yours; give one with --account.",
    "account/partition combination": "sacctmgr show associations lists yours: give --account and --partition that go together.",
    "accounting/qos policy": "squeue --me lists your jobs, sacctmgr show qos what is allowed: ask for less, or wait until some have ended.",
    "node count": "sinfo lists the nodes; ask for fewer with --nodes.",
    "more processors": "sinfo -o '%P %D %c' lists the nodes and their processors; ask for fewer with --nodes or --ntasks-per-node.",
    "memory spec": "sinfo -o '%P %D %m' lists the nodes and their memory; ask for less with --mem.",
    "node configuration": "sinfo lists the nodes; ask for less.",
    "time limit": "scontrol show partition tells the longest; give less with --time.",
    "array": "An array of this Slurm has fewer tasks (MaxArraySize): sweep over fewer values at once.",
    "qos": "Give another with --qos.",
    "feature": "sinfo -o '%P %f' lists the features of nodes; give others with --constraint.",
    "reservation": "scontrol show reservation lists those that there are.",
    "generic resource": "sinfo -o '%P %G' lists what nodes have.",
    "unrecognized option": "sbatch --help lists its flags.",
}


class SlurmError(UsageError):
    """Slurm refuses, or does not answer."""


def call(*words: str, given: str | None = None) -> str:
    """Return what a program prints. Raises SlurmError in one line where it fails."""
    try:
        ran = subprocess.run(
            words,
            input=given,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            errors="replace",
            check=False,
            env=outside(os.environ),
        )
    except FileNotFoundError:
        raise SlurmError(
            f"There is no {words[0]} on this machine.",
            hint="Submit on a login node; --host LOGIN does so from elsewhere.",
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]} does not answer.", hint="Try again when the cluster is well.") from None
    if ran.returncode:
        said = _said(words[0], ran.stderr) or [f"exit code {ran.returncode}"]
        raise SlurmError(f"{words[0]} refuses: {'; '.join(said)}.", hint=_remedy(said))
    return ran.stdout


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as it would be outside of any job: sbatch heeds what the job around it was told, and passes it on to the next."""
    ours = {name: environment[name] for name in _ABOUT_SLURM if name in environment}
    return {
        **{name: value for name, value in untold(environment).items() if not name.startswith(_TOLD)},
        **ours,
    }


def _said(program: str, err: str) -> list[str]:
    """Return what a program says against what it was asked. A site's own reasons come before Slurm's, which may be none."""
    lines = [line.strip() for line in err.splitlines() if line.strip() and not line.startswith('Try "')]
    for prefix in (f"{program}: ", "error: ", "Batch job submission failed: ", "allocation failure: "):
        lines = [line.removeprefix(prefix).strip() for line in lines]
    return [line.rstrip(".") for line in dict.fromkeys(lines) if line][-_MOST_LINES:]


def _remedy(said: Sequence[str]) -> str:
    """Return what helps against the last thing that is said: by the longest words of these that are in it."""
    last = said[-1].lower()
    known = [words for words in _REMEDIES if words in last]
    if known:
        return _REMEDIES[max(known, key=len)]
    return (
        "Mend what the site says, or ask its support." if said[1:] else "d4py submit --dry-run shows what it was asked."
    )


def send(*words: str) -> str:
    """Submit a job and return its id, whatever else a site lets sbatch print. Raises StateError where there is none."""
    told = call("sbatch", "--parsable", *words)
    ids = [line.strip() for line in told.splitlines() if JOB.fullmatch(line.strip())]
    if not ids:
        raise StateError(
            f"sbatch does not say which job it made: {' '.join(told.split())!r:.100}.",
            hint="squeue --me shows whether there is one. Do it again: a job that waits or runs is found.",
        )
    return ids[-1]


def jobs_of_room(name: str, room: Path, clusters: str | None) -> dict[str, list[int]]:
    """Return the ids of the jobs of this name that wait or run, and work in this folder: others may have the same name. Of an array, its tasks too."""
    found: dict[str, list[int]] = {}
    for job, place in _places(clusters, f"--name={name}", array=True):
        if place.resolve() == room.resolve():
            number, _, rest = job.partition(";")
            array, _, task = number.partition("_")
            tasks = found.setdefault(array + (f";{rest}" if rest else ""), [])
            tasks += [int(task)] if task.isdigit() else []
    return found


def job_of(name: str, room: Path, clusters: str | None) -> str | None:
    """Return the id of one of these jobs."""
    return next(iter(jobs_of_room(name, room, clusters)), None)


def rooms_at_work(clusters: str) -> set[Path]:
    """Return the folders that jobs of this user wait or run for."""
    return {place.resolve() for _, place in _places(clusters or None)}


def _places(clusters: str | None, *words: str, array: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield the jobs of this user, and where they work. array: each task of one."""
    where = [*([f"--clusters={clusters}"] if clusters else []), *(["--array"] if array else [])]
    cluster = clusters or ""
    for line in call("squeue", "--noheader", *words, "--format=%i|%Z", "--me", *where).splitlines():
        job, bar, place = line.strip().partition("|")
        if clusters and not bar and job.startswith("CLUSTER:"):
            cluster = job.removeprefix("CLUSTER:").strip()
        elif place:
            yield (f"{job};{cluster}" if cluster else job), Path(place)


def cancel_jobs(*jobs: str, waiting: bool = False) -> None:
    """Cancel jobs, wherever they are. waiting: only while they wait."""
    only = ["--state=PENDING"] if waiting else []
    for cluster in dict.fromkeys(job.partition(";")[2] for job in jobs):
        numbers = [job.partition(";")[0] for job in jobs if job.partition(";")[2] == cluster]
        where = [f"--clusters={cluster}"] if cluster else []
        for first in range(0, len(numbers), _AT_ONCE):
            call("scancel", *only, *numbers[first : first + _AT_ONCE], *where)


def queued(*jobs: str) -> dict[str, tuple[str, str]]:
    """Return state and reason of those jobs that squeue knows. Slurm is asked once, however many tasks of arrays there are.

    Raises SlurmError where Slurm cannot be asked: that it does not answer says nothing of a job.
    """
    return {
        name: (state, reason.strip())
        for name, state, reason in _asked("squeue", jobs, "--array", "--states=all", "--format=%i|%T|%r")
    }


def accounted(*jobs: str) -> dict[str, str]:
    """Return the states of those jobs that sacct knows: none where there is no accounting."""
    words = ("--parsable2", "--allocations", "--format=JobID,State")
    return {name: (state.split() or [""])[0] for name, state in _asked("sacct", jobs, *words)}


def _asked(program: str, jobs: Sequence[str], *words: str) -> Iterator[list[str]]:
    """Yield the fields of each line that a program has to say of jobs, the first of them the job as it was named."""
    for cluster in dict.fromkeys(job.partition(";")[2] for job in jobs):
        names = {job.partition(";")[0]: job for job in jobs if job.partition(";")[2] == cluster}
        numbers = ",".join(dict.fromkeys(name.partition("_")[0] for name in names))
        where = [f"--clusters={cluster}"] if cluster else []
        try:
            told = call(program, "--noheader", f"--jobs={numbers}", *where, *words)
        except SlurmError as error:
            if program == "squeue" and "invalid job id" not in error.message.lower():
                raise
            continue  # they ended long ago, or there is no accounting
        for line in told.splitlines():
            name, *fields = line.strip().split("|")
            if name in names and fields:
                yield [names[name], *fields]
