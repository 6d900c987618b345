# SPDX-License-Identifier: Apache-2.0
"""All runs of this user, newest first, each by its state file alone."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d4py.errors import StateError
from d4py.runs.folder import home, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d4py.runs.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run, or what keeps its state from being read."""

    name: str
    state: State | None
    problem: str = ""


def _begun(path: Path) -> float:
    for name in ("run.json", "sweep.json", "submission.json"):
        with suppress(OSError):
            return (path / name).stat().st_mtime
    return 0.0


def listed_runs() -> Iterator[Entry]:
    """Yield the runs, newest first, by when they were begun: an id may be of the user's own making."""
    where = home()
    try:
        names = sorted((entry.name for entry in os.scandir(where) if not entry.name.startswith(".")), reverse=True)
    except OSError:
        return
    for name in sorted(names, key=lambda name: _begun(where / name), reverse=True):
        try:
            yield Entry(name=name, state=opened(where / name).state())
        except StateError as error:
            if any((where / name / file).exists() for file in ("run.json", "sweep.json")):
                yield Entry(name=name, state=None, problem=error.message)
