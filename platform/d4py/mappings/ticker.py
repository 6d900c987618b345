# SPDX-License-Identifier: Apache-2.0
"""A thread that looks after cells while their calls run: the time that passes needs no clock in their loops."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIOD = 0.02  # seconds


class Ticker:
    """Makes calls once in a period. One for all cells of a process; its thread begins with the first."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, call: Callable[[], None]) -> None:
        """Make this call, too."""
        self._calls.append(call)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)
            self._thread.start()

    def remove(self, call: Callable[[], None]) -> None:
        """Make this call no more."""
        self._calls.remove(call)

    def stop(self) -> None:
        """End the thread, and wait until it has."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD):
            for call in tuple(self._calls):
                call()
