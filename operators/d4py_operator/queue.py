# SPDX-License-Identifier: Apache-2.0
"""Keys that wait to be looked at: each once, never two at a time, those that failed later and later."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Hashable

_FIRST, _LONGEST = 0.1, 60.0


class Queue:
    """A queue of keys for several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: dict[Hashable, None] = {}  # in order
        self._due: dict[Hashable, float] = {}  # when a key that waits is due
        self._later: list[tuple[float, int, Hashable]] = []  # when it is looked whether a key is due
        self._next: dict[Hashable, float] = {}  # the first of these for a key: none after it is needed
        self._taken: set[Hashable] = set()
        self._again: set[Hashable] = set()  # came again while it was taken
        self._failures: dict[Hashable, int] = {}
        self._number = 0
        self._closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._ready) + len(self._again)

    def add(self, key: Hashable) -> None:
        """Have a key looked at."""
        with self._changed:
            self._add(key)
            self._changed.notify()

    def _add(self, key: Hashable) -> None:
        if key in self._taken:
            self._again.add(key)
        else:
            self._ready[key] = None

    def add_after(self, key: Hashable, seconds: float) -> None:
        """Have a key looked at in so long, if not earlier."""
        due = self._clock() + seconds
        with self._changed:
            self._put_off(key, min(due, self._due.get(key, due)))

    def _put_off(self, key: Hashable, due: float) -> None:
        self._due[key] = due
        if due < self._next.get(key, float("inf")):
            self._next[key] = due
            self._number += 1
            heapq.heappush(self._later, (due, self._number, key))
            self._changed.notify()

    def failed(self, key: Hashable, least: float = 0.0) -> float:
        """Have a key looked at again, later with each failure; return in how many seconds. least: seconds that it waits at least."""
        with self._changed:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = max(least, min(_LONGEST, _FIRST * 2.0 ** min(failures - 1, 20)))
        self.add_after(key, wait)
        return wait

    def failures(self, key: Hashable) -> int:
        """Return how often it has failed since it went well."""
        with self._changed:
            return self._failures.get(key, 0)

    def settle(self, key: Hashable, again: float | None = None) -> None:
        """It went well: the next failure is the first, and what was due before is done. again: seconds after which it is due."""
        with self._changed:
            self._failures.pop(key, None)
            self._due.pop(key, None)
            if again is not None:
                self._put_off(key, self._clock() + again)

    def take(self) -> Hashable | None:
        """Wait for a key, and take it; None when the queue is closed."""
        with self._changed:
            while not self._closed:
                self._ripen()
                if self._ready:
                    key = next(iter(self._ready))
                    del self._ready[key]
                    self._taken.add(key)
                    return key
                self._changed.wait(self._later[0][0] - self._clock() if self._later else None)
            return None

    def _ripen(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            looked, _, key = heapq.heappop(self._later)
            if self._next.get(key) != looked:
                continue
            del self._next[key]
            due = self._due.pop(key, None)
            if due is not None and due > now:
                self._put_off(key, due)
            elif due is not None:
                self._add(key)

    def done(self, key: Hashable) -> None:
        """Give a key back."""
        with self._changed:
            self._taken.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._ready[key] = None
            self._changed.notify()

    def close(self) -> None:
        """Let those who wait go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
