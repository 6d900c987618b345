# SPDX-License-Identifier: Apache-2.0
"""Whether a process that is to do a run by itself is one of many that a launcher started alike: each would do all of it, and exit 0."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from d4py.errors import WrongWorld
from d4py.mappings import launchers
from d4py.mappings.spokesman import let_the_first_speak

if TYPE_CHECKING:
    from d4py.mappings.base import Mapping


def refuse(engine: Mapping | None = None) -> None:
    """Raise WrongWorld, once for all of them, where this is a copy. engine: what is to do the run here; None: a container."""
    count = launchers.told(os.environ)
    if count < 2 or (engine is not None and engine.ranks) or os.environ.get(launchers.RANKS) == "1" or _typed():
        return
    let_the_first_speak()
    where = f"on the mapping {engine.name!r}" if engine is not None else "in a container of its own"
    instead = "For one run on all of them add --mapping mpi; " if engine is not None else ""
    raise WrongWorld(
        f"This is one of {count} processes that a launcher started, and each would do the whole run {where}.",
        hint=f"{instead}for one process give the launcher -n 1; for {count} runs on purpose set D4PY_RANKS=1.",
    )


def _typed() -> bool:
    """Whether this was typed in a shell that srun --pty started: a step of many tasks, of which the first alone has a terminal, and lives."""
    if "SLURM_PTY_PORT" not in os.environ or launchers.number(os.environ, "SLURM_TASK_PID") == os.getpid():
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True
