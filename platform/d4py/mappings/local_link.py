# SPDX-License-Identifier: Apache-2.0
"""The part of a link that is the same wherever a cell can write to the run's folder: spools, journals, logs, counters."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING

from d4py.runs.spool import Journal, Spool

if TYPE_CHECKING:
    from d4py.engine.link import Part
    from d4py.plan.plan import Plan
    from d4py.runs import Folder
    from d4py.runs.board import Board


class LocalLink:
    """Keeps a cell's files. A mapping's link inherits it and adds how frames travel."""

    clock = staticmethod(time.perf_counter)

    def __init__(
        self, folder: Folder, plan: Plan, board: Board, cell: int, generation: int, start: Part | None
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.cell = cell
        self.note = board.note(cell)
        self.note[0] = 0
        self.publish = board.publish
        self.outputs = Spool(folder.path / "outputs", cell, generation, start.outputs if start else None)
        self.quarantine = Spool(folder.path / "quarantine", cell, generation, start.quarantined if start else None)
        self._logs: dict[int, IO[str]] = {}
        self._journals: list[Journal] = []

    def journal(self, rank: int) -> Journal:
        """Return the journal of a source."""
        self._journals.append(Journal(self.folder.path / "sources", rank))
        return self._journals[-1]

    def log(self, rank: int, message: str) -> None:
        """Add a line to the log of an instance."""
        if rank not in self._logs:
            path = self.folder.log_path(self.plan.instances[rank].label)
            self._logs[rank] = open(path, "a", encoding="utf-8", buffering=1)
        self._logs[rank].write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")

    def close(self) -> None:
        """Let go of files."""
        self.outputs.close()
        self.quarantine.close()
        for journal in self._journals:
            journal.close()
        for file in self._logs.values():
            file.close()
