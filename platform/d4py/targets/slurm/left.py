# SPDX-License-Identifier: Apache-2.0
"""What the jobs of a run left in its folder of how they ended: exit codes, and errors in logs. Slurm is not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.targets.slurm.script import EARLY

if TYPE_CHECKING:
    from pathlib import Path

    from d4py.runs import Folder


def ended(folder: Folder) -> bool:
    """Whether a job said, after the run stopped, that it has done what it had to do."""
    stopped = (folder.path / "state.json").stat().st_mtime
    return any(path.stat().st_mtime >= stopped for path in (folder.path / "job").glob("exit.*"))


def unbegun(folder: Folder) -> str:
    """Return the exit code of the newest job of a run, where that has ended and the run did not begin."""
    return "" if (folder.path / "run.json").exists() else last_code(folder, 0.0)


def last_code(folder: Folder, since: float) -> str:
    """Return the exit code of the newest job of a run, where that has ended since then."""
    since = max(since, (folder.path / "submission.json").stat().st_mtime)
    exits = {path: path.stat().st_mtime for path in (folder.path / "job").glob("exit.*")}
    newest = max(exits, key=exits.__getitem__, default=None)
    if newest is None or exits[newest] < since:
        return ""
    return newest.read_text(encoding="utf-8").strip()


def last_word(folder: Folder) -> str:
    """Return why the newest job of a run came to nothing, as its log says."""
    logs = sorted((folder.path / "logs").glob("job-*.log"), key=lambda path: path.stat().st_mtime)
    return last_error(logs[-1]) if logs else ""


def said_early(folder: Folder) -> str:
    """Return what the newest job of a run says where its time was over before it could do anything."""
    said = last_word(folder)
    return said if said.startswith(EARLY) else ""


def last_error(log: Path) -> str:
    """Return the last error that d4py told in a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.partition("d4py: error: ")[2] for line in lines if "d4py: error: " in line]
    return told[-1] if told else ""
