# SPDX-License-Identifier: Apache-2.0
"""Prints what PEs log as they log it, for whoever sees nothing of a run but what its process prints: those who read the logs of a pod."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from d4py.cli.logs import Logs, show
from d4py.cli.origin import Wanted
from d4py.errors import DiskError
from d4py.runs import Folder, atomic

if TYPE_CHECKING:
    from pathlib import Path

    from d4py.plan import Plan
    from d4py.runs import State
    from d4py.runs.board import Board

_LOOK = 0.5  # seconds


class Echo:
    """Reads the logs of a run again and again."""

    def __init__(self, folder: Path) -> None:
        self._logs = Logs(Folder(folder), Wanted())
        self._printed = folder / "printed.json"  # how far each log was, for the next start: this one may be killed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="d4py-echo", daemon=True)

    def begin(self, plan: Plan, board: Board, state: State) -> None:
        """Begin to read what no earlier start has printed. What one printed as it was killed is printed twice: better so than never."""
        try:
            self._logs.begin_at(json.loads(self._printed.read_bytes()))
        except (AttributeError, OSError, TypeError, ValueError):
            if state.generation > 1:  # nobody has noted it
                self._logs.new()
        self._note()
        self._thread.start()

    def end(self) -> None:
        """Print what is left."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._print(whole=True)

    def _read(self) -> None:
        while not self._over.wait(_LOOK):
            self._print(whole=False)

    def _print(self, *, whole: bool) -> None:
        lines = self._logs.new(whole=whole)
        if lines:
            with suppress(OSError):  # whoever read it went away
                show(lines, plain=True)
            self._note()

    def _note(self) -> None:
        with suppress(DiskError):
            atomic.write_json(self._printed, self._logs.places, durable=False)
