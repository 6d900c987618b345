# SPDX-License-Identifier: Apache-2.0
"""Slurm's own programs, called with lists of words; no shell reads any of them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    return (f"{ids[0]};{clusters}" if clusters else ids[0]) if ids else None


def cancel_job(job: str) -> None:
    """Cancel a job."""
    call("scancel", *_named(job))


def queued(job: str) -> tuple[str, str] | None:
    """Return state and reason of a job that squeue knows."""
    number, *where = _named(job)
    try:
        told = call("squeue", "--noheader", f"--jobs={number}", *where, "--states=all", "--format=%T|%r")
    except SlurmError:
        return None  # it ended long ago
    lines = [line for line in told.splitlines() if "|" in line]
    state, _, reason = lines[0].strip().partition("|") if lines else ("", "", "")
    return (state, reason.strip()) if state else None


def accounted(job: str) -> str | None:
    """Return the state of a job that sacct knows; None where there is no accounting."""
    number, *where = _named(job)
    try:
        told = call("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={number}", *where, "--format=State")
    except SlurmError:
        return None
    words = told.split()
    return words[0] if words else None


def _named(job: str) -> list[str]:
    """Return a job's number, and where there are several clusters the option that names its own: sbatch writes `number;cluster`."""
    number, _, cluster = job.partition(";")
    return [number, f"--clusters={cluster}"] if cluster else [number]
