# SPDX-License-Identifier: Apache-2.0
"""Slurm's own programs, called with lists of words; no shell reads any of them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PATIENCE = 60.0  # seconds; a controller that is busy answers late


class SlurmError(UsageError):
    """Slurm refuses, or does not answer."""


def call(*words: str, given: str | None = None) -> str:
    """Return what a program prints. Raises SlurmError in one line where it fails."""
    try:
        ran = subprocess.run(
            words, input=given, capture_output=True, text=True, timeout=_PATIENCE, errors="replace", check=False
        )
    except FileNotFoundError:
        raise SlurmError(
            f"There is no {words[0]} on this machine.", hint="Submit where Slurm's programs are: on a login node."
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]} does not answer.", hint="Try again when the cluster is well.") from None
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if line.strip()] or [f"exit code {ran.returncode}"]
        raise SlurmError(f"{words[0]} refuses: {lines[-1].removeprefix(f'{words[0]}: ').strip()}.", hint=_remedy(lines))
    return ran.stdout


def _remedy(lines: Sequence[str]) -> str:
    text = " ".join(lines).lower()
    remedies = {
        "partition": "sinfo lists the partitions; give one with --partition.",
        "account": "sacctmgr show associations lists yours; give one with --account.",
        "node count": "sinfo lists the nodes; ask for fewer with --nodes.",
        "node configuration": "sinfo lists the nodes; ask for less.",
        "time limit": "scontrol show partition tells the longest; give less with --time.",
        "array": "An array of this Slurm has fewer tasks (MaxArraySize): sweep over fewer values at once.",
        "qos": "Give another with --qos.",
    }
    return next(
        (remedy for word, remedy in remedies.items() if word in text), "d4py submit --dry-run shows what it was asked."
    )


def job_of(name: str, clusters: str | None) -> str | None:
    """Return the id of a job of this name that waits or runs."""
    where = [f"--clusters={clusters}"] if clusters else []
    told = call("squeue", "--noheader", f"--name={name}", "--format=%i", "--me", *where).split()
    ids = [word for word in told if word[0].isdigit()]  # of a named cluster there is a line before
    number = ids[0].partition("_")[0] if ids else ""  # of an array there is a line for each task
    return (f"{number};{clusters}" if clusters else number) if ids else None


def cancel_jobs(*jobs: str) -> None:
    """Cancel jobs of one cluster."""
    where = _named(jobs[0])[1:] if jobs else []
    if jobs:
        call("scancel", *(_named(job)[0] for job in jobs), *where)


def queued(*jobs: str) -> dict[str, tuple[str, str]]:
    """Return state and reason of those jobs that squeue knows. Slurm is asked once, however many tasks of arrays there are."""
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
        except SlurmError:
            continue  # they ended long ago
        for line in told.splitlines():
            name, *fields = line.strip().split("|")
            if name in names and fields:
                yield [names[name], *fields]


def _named(job: str) -> list[str]:
    """Return a job's number, and where there are several clusters the option that names its own: sbatch writes `number;cluster`."""
    number, _, cluster = job.partition(";")
    return [number, f"--clusters={cluster}"] if cluster else [number]
