# SPDX-License-Identifier: Apache-2.0
"""Tests that go on beside each other: what they look at waits most of the time. Each begins with the others and ends when its turn comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future

Act = Callable[[], None]


class Courses:
    """What tests do, so many at a time. Of several in a chain each begins when the one before it is over."""

    def __init__(self, chains: Iterable[list[tuple[str, Act]]], *, at_once: int) -> None:
        """chains: acts by name, the first to begin first."""
        self._chains = deque(chains)
        self._outcomes: dict[str, Future[None]] = {name: Future() for chain in self._chains for name, _ in chain}
        for _ in range(min(at_once, len(self._chains))):
            threading.Thread(target=self._work, daemon=True).start()

    def end(self, name: str) -> None:
        """Wait for one; raise what it raised."""
        self._outcomes[name].result()

    def over(self) -> None:
        """Wait for all, however they ended."""
        for outcome in self._outcomes.values():
            outcome.exception()

    def close(self) -> None:
        """Begin no more."""
        self._chains.clear()

    def _work(self) -> None:
        while self._chains:
            try:
                chain = self._chains.popleft()
            except IndexError:
                return
            for name, act in chain:
                self._do(name, act)

    def _do(self, name: str, act: Act) -> None:
        try:
            act()
        except BaseException as error:
            self._outcomes[name].set_exception(error)
        else:
            self._outcomes[name].set_result(None)
