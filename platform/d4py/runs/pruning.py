# SPDX-License-Identifier: Apache-2.0
"""Deleting the folders of runs that are over."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import StateError
from d4py.runs.sweep import Sweep, sweep_of

if TYPE_CHECKING:
    from d4py.runs.folder import Folder


def age(folder: Folder) -> float:
    """Return the seconds since a run last wrote its state; since any member of a sweep did."""
    if isinstance(folder, Sweep):
        return min(age(member.folder) for member in folder.members)
    for name in ("state.json", "run.json", "submission.json"):
        try:
            return time.time() - (folder.path / name).stat().st_mtime
        except OSError:
            continue
    return 0.0


def size(folder: Folder) -> int:
    """Return about how many bytes a run keeps on disk."""
    total = 0
    for where, _, names in os.walk(folder.path):
        for name in names:
            try:
                total += (Path(where) / name).lstat().st_size
            except OSError:
                continue
    return total


def prune(folder: Folder) -> None:
    """Delete the folder of a run that is over; it is gone at once, or not at all. Raises StateError for a member of a sweep."""
    sweep = sweep_of(folder)
    if sweep is not None:
        raise StateError(
            f"The run in {folder.path} is a member of a sweep.", hint=f"Delete the sweep: d4py prune {sweep.path.name}."
        )
    dying = folder.path.with_name(f".pruned-{folder.path.name}")
    try:
        folder.path.rename(dying)
    except OSError as error:
        raise StateError(
            f"The run in {folder.path} cannot be deleted: {error.strerror}.", hint="Check who owns the folder above it."
        ) from None
    shutil.rmtree(dying, ignore_errors=True)
