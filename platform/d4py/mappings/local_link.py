# SPDX-License-Identifier: Apache-2.0
"""The part of a link that is the same wherever a cell can write to the run's folder: spools, journals, logs, counters."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NoReturn

from d4py.engine.failure import Unwind
from d4py.engine.link import Report, Unkept
from d4py.errors import DiskError
from d4py.runs.journal import Journal
from d4py.runs.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, MutableSequence, Sequence

    from d4py.engine.link import Event, Part
    from d4py.mappings.ticker import Ticker
    from d4py.plan.plan import Plan
    from d4py.runs import Folder
    from d4py.runs.board import Board


class LocalLink:
    """Keeps a cell's files. A mapping's link inherits it and adds how frames travel."""

    clock = staticmethod(time.perf_counter)
    near: Collection[int] = ()
    ledger: MutableSequence[int] = ()  # type: ignore[assignment]  # where a cell is never replaced alone

    def __init__(
        self, folder: Folder, plan: Plan, board: Board, ticker: Ticker, cell: int, generation: int, start: Part | None
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.cell = cell
        self.note = board.note(cell)
        self.note[0] = self.note[3] = 0
        self.publish = board.publish
        self.generation = generation
        self.outputs, self.quarantine = (
            Spool(folder.path / name, cell, generation, before, failed=self._unkept)
            for name, before in (
                ("outputs", start.outputs if start else None),
                ("quarantine", start.quarantined if start else None),
            )
        )
        self._said = False  # that the disk takes no more
        self.lock = threading.RLock()
        self._ticker = ticker
        self._ticked: list[Callable[[], None]] = []
        self._logs: dict[int, IO[str]] = {}
        self._journals: list[Journal] = []

    @property
    def empty(self) -> Callable[[int], Any] | None:
        """What gives memory that readers share."""
        return None

    @property
    def urgent(self) -> bool:
        """Whether something came that must not wait until the call in progress ends."""
        return False

    def drain(self) -> None:
        """Nothing outlives this process but files."""

    def poll(self, wait: float) -> Sequence[Event]:
        """Return what came in; a mapping's link says how."""
        raise NotImplementedError

    def glance(self) -> Sequence[Event]:
        """Return what came in, without waiting."""
        return self.poll(0)

    def tick(self, call: Callable[[], None]) -> None:
        """Have this called until the link is closed."""
        self._ticker.add(call)
        self._ticked.append(call)

    def journal(self, rank: int) -> Journal:
        """Return the journal of a source."""
        self._journals.append(Journal(self.folder.path / "sources", rank, self.generation, failed=self._unkept))
        return self._journals[-1]

    def log(self, rank: int, message: str) -> None:
        """Add a line to the log of an instance."""
        path = self.folder.log_path(self.plan.instances[rank].label)
        try:
            if rank not in self._logs:
                self._logs[rank] = open(path, "a", encoding="utf-8", buffering=1)
            self._logs[rank].write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")
        except OSError as error:
            self._unkept(DiskError.of(path, error))

    def report(self, report: Report) -> None:
        """Tell the supervisor."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of files, and of the ticker."""
        for call in self._ticked:
            self._ticker.remove(call)
        self.outputs.close()
        self.quarantine.close()
        for journal in self._journals:
            journal.close()
        for file in self._logs.values():
            with suppress(OSError):  # a last line that the disk did not take
                file.close()

    def _unkept(self, error: DiskError) -> NoReturn:
        """End the calls in progress; neither the PE nor its item is to blame, and no try mends it."""
        if not self._said:
            self._said = True
            self.report(Unkept(error.reason))
        raise Unwind
