# SPDX-License-Identifier: Apache-2.0
"""What becomes of a rank whose PE has raised. The first rank ends the job; where it cannot, because a PE of its own lets no other thread run, this one does."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from d4py.errors import DiskError
from d4py.mappings.mpi.abort import abort

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.engine.failure import Failure
    from d4py.runs import Folder

_PATIENCE = 7.0  # seconds that the first rank has, which needs 5, to end the job within the ten that are promised
_MORE = 3.0  # seconds that whoever has told the failure first has to end the job
_LOOK = 0.001  # seconds between two looks for its answer
_CODE = 3


class Failing:
    """The failure of one rank, if there is any."""

    def __init__(self, world: Any, folder: Folder, generation: int) -> None:
        self._world, self._folder, self._generation = world, folder, generation
        self._answered, self._over = threading.Event(), threading.Event()
        self._ends: threading.Timer | None = None

    def begin(self, failure: Failure) -> None:
        """A PE has raised, and the first rank was told."""
        if self._ends is None:
            self._ends = threading.Timer(_PATIENCE, self._end, (failure,))
            self._ends.daemon = True
            self._ends.start()

    def wait(self, hear: Callable[[], None]) -> None:
        """Return when the first rank has answered. Who fails has the turn: what others of its rank began now might take for ever."""
        until = time.monotonic() + _PATIENCE
        while not self._answered.wait(_LOOK) and time.monotonic() < until:
            hear()

    def answered(self) -> None:
        """The first rank has let all cells end, or has done so before."""
        self._answered.set()

    def over(self) -> None:
        """The first rank is about to end the job, or the run has ended on all ranks."""
        self._over.set()
        if self._ends is not None:
            self._ends.cancel()

    def _end(self, failure: Failure) -> None:
        """Do what the first rank does not: leave the failure where the state of the run is looked up, tell it, and end all ranks."""
        if first(self._folder, self._generation, failure):
            sys.stderr.write(f"d4py: error: {' '.join(failure.title.split())}\n{failure.traceback}\n")
        elif self._over.wait(_MORE):
            return
        abort(self._world, _CODE)


def first(folder: Folder, generation: int, failure: Failure) -> bool:
    """Leave the failure in the run's folder; return whether this rank is the one to tell it, and to end the job."""
    try:
        return folder.write_failure(generation, failure.title, failure.traceback)
    except DiskError:  # twice is better than never
        return True
