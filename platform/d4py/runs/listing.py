# SPDX-License-Identifier: Apache-2.0
"""All runs of this user, newest first, each by its state file alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d4py.errors import StateError
from d4py.runs.folder import Folder, home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.runs.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run, or what keeps its state from being read."""

    name: str
    state: State | None
    problem: str = ""


def listed_runs() -> Iterator[Entry]:
    """Yield the runs, newest first; ids sort by time."""
    where = home()
    try:
        names = sorted((entry.name for entry in os.scandir(where)), reverse=True)
    except OSError:
        return
    for name in names:
        if name.startswith("."):
            continue
        try:
            yield Entry(name=name, state=Folder(where / name).state())
        except StateError as error:
            if (where / name / "run.json").exists():
                yield Entry(name=name, state=None, problem=error.message)
