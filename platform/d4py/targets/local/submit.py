# SPDX-License-Identifier: Apache-2.0
"""Starts a detached run and returns when its folder says that it has begun."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from d4py.errors import StateError, UsageError
from d4py.runs import Folder
from d4py.runs.waiting import sleep

_LOOK = 0.01
_PREFIX = "d4py: error: "


def submit(words: Sequence[str], *, folder: Path) -> Folder:
    """Start `d4py run` with these arguments and this folder. Raises what the run itself says where it does not begin."""
    if (folder / "run.json").exists():
        raise StateError(
            f"The folder {str(folder)!r} already holds a run.",
            hint=f"Continue it with d4py resume {folder}, or choose another --run-dir.",
        )
    ours = not folder.exists()
    log = folder / "logs" / "output.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"The run folder {str(folder)!r} cannot be made: {error.strerror}.", hint="Choose another with --run-dir."
        ) from None
    pid = spawn([sys.executable, "-m", "d4py.cli.main", "run", *words], log)
    while not (folder / "state.json").exists():
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if ended and not (folder / "state.json").exists():
            reason = log.read_text(encoding="utf-8", errors="replace").strip()
            if ours:
                shutil.rmtree(folder, ignore_errors=True)
            raise UsageError(reason.rpartition("\n")[2].removeprefix(_PREFIX) or "The run ended before it began.")
        if ended:
            break
        sleep(pid, _LOOK)
    return Folder(folder)


def spawn(command: Sequence[str], log: Path) -> int:
    """Start a process in a session of its own, which reads nothing and writes to a log; return its id."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(
        command[0], list(command), {**os.environ, "PYTHONUNBUFFERED": "1"}, file_actions=actions, setsid=True
    )
