# SPDX-License-Identifier: Apache-2.0
"""Cells that share a process take turns: each has a thread, one runs at a time, and a cell that must wait passes the turn on."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d4py.engine.link import Event

_TURN = 0.001  # seconds


class Turns:
    """Event boxes of the cells of one process, and whose turn it is. Whoever has the turn does the input and output of the process."""

    def __init__(self, cells: Sequence[int], pump: Callable[[float], None], clock: Callable[[], float]) -> None:
        """pump: do input and output, waiting up to so many seconds (below 0: as long as it takes) for something to come in."""
        self.cells = tuple(cells)
        self.boxes: dict[int, deque[Event]] = {cell: deque() for cell in cells}
        self._pump = pump
        self._clock = clock
        self._locks = {cell: threading.Lock() for cell in cells}
        self._until: dict[int, float | None] = dict.fromkeys(
            cells, 0.0
        )  # when a cell wants to run though nothing came; None: never
        self._ended: set[int] = set()
        self._began = clock()  # the turn
        for lock in self._locks.values():
            lock.acquire()

    def start(self) -> None:
        """Give the first turn."""
        self._locks[self.cells[0]].release()

    def begin(self, cell: int) -> None:
        """Wait for the first turn of a cell."""
        if len(self.cells) > 1:
            self._locks[cell].acquire()

    def poll(self, cell: int, wait: float) -> Sequence[Event]:
        """Return what came in for a cell, after the others had their turn."""
        box = self.boxes[cell]
        if len(self.cells) == 1:
            self._pump(0.0 if box else wait)
            while wait < 0 and not box:
                self._pump(wait)
        else:
            self._pump(0.0)
            now = self._clock()
            # What another cell begins may be long: who has something to do keeps a turn that has just begun.
            if (box or wait == 0) and now - self._began < _TURN:
                return self._emptied(box)
            self._until[cell] = None if wait < 0 else now + wait
            self._rotate(cell)
            self._began = self._clock()
        return self._emptied(box)

    @property
    def due(self) -> bool:
        """Whether something came for a cell that is not over."""
        return any(box for cell, box in self.boxes.items() if cell not in self._ended)

    def glance(self, cell: int) -> Sequence[Event]:
        """Return what came in for the cell whose turn it is, without waiting; no other gets a turn."""
        self._pump(0.0)
        return self._emptied(self.boxes[cell])

    @staticmethod
    def _emptied(box: deque[Event]) -> Sequence[Event]:
        events = list(box)
        box.clear()
        return events

    def end(self, cell: int) -> None:
        """A cell is over: pass the turn on for good."""
        self._ended.add(cell)
        if len(self._ended) == len(self.cells) or len(self.cells) == 1:
            return
        while (other := self._next(cell)) is None:
            self._pump(self._patience())
        self._locks[other].release()

    def _rotate(self, cell: int) -> None:
        while True:
            other = self._next(cell)
            if other == cell:
                return
            if other is None:
                self._pump(self._patience())
                continue
            self._locks[other].release()
            self._locks[cell].acquire()
            if self._runnable(cell):
                return

    def _next(self, cell: int) -> int | None:
        """Return the next cell in the round that can run, this one last."""
        at = self.cells.index(cell)
        for other in self.cells[at + 1 :] + self.cells[: at + 1]:
            if self._runnable(other):
                return other
        return None

    def _runnable(self, cell: int) -> bool:
        if cell in self._ended:
            return False
        if self.boxes[cell]:
            return True
        until = self._until[cell]
        return until is not None and (until == 0.0 or until <= self._clock())

    def _patience(self) -> float:
        moments = [until for cell, until in self._until.items() if until is not None and cell not in self._ended]
        return max(0.0, min(moments) - self._clock()) if moments else -1.0
