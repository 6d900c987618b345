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


def job_of(name: str) -> str | None:
    """Return the id of a job of this name that waits or runs."""
    ids = call("squeue", "--noheader", f"--name={name}", "--format=%i", "--me").split()
    return ids[0] if ids else None


def queued(job: str) -> tuple[str, str] | None:
    """Return state and reason of a job that squeue knows."""
    try:
        told = call("squeue", "--noheader", f"--jobs={job}", "--states=all", "--format=%T %r").split(maxsplit=1)
    except SlurmError:
        return None  # it ended long ago
    return (told[0], told[1].strip() if len(told) > 1 else "") if told else None


def accounted(job: str) -> str | None:
    """Return the state of a job that sacct knows; None where there is no accounting."""
    try:
        told = call("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}", "--format=State")
    except SlurmError:
        return None
    lines = told.split("\n")
    return lines[0].split()[0] if lines and lines[0].strip() else None
