# SPDX-License-Identifier: Apache-2.0
"""Signals that ask a run to stop, taken note of and acted on between two steps."""

from __future__ import annotations

import signal
import threading
from collections import deque
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType


class Stop(Enum):
    """What asked for the stop."""

    INTERRUPT = signal.SIGINT
    TERMINATE = signal.SIGTERM
    HANGUP = signal.SIGHUP
    USER = signal.SIGUSR1


_early: list[deque[Stop]] = []  # what came while nothing but a `deferred` listened; of the innermost one last


@contextmanager
def caught(wake: Callable[[], None] | None = None) -> Iterator[deque[Stop]]:
    """Collect stop signals while the block runs; only the main thread can. wake: called in the handler, to end a wait.

    What a `deferred` around it has kept comes first.
    """
    stops: deque[Stop] = deque()
    if not _main():
        yield stops
        return

    def take(number: int, _frame: FrameType | None) -> None:
        stops.append(Stop(signal.Signals(number)))
        if wake is not None:
            wake()

    before = {kind: signal.signal(kind.value, take) for kind in _heard(Stop)}
    try:
        while _early and _early[-1]:
            stops.appendleft(_early[-1].pop())
        yield stops
    finally:
        for kind, handler in before.items():
            signal.signal(kind.value, handler)


@contextmanager
def deferred(wanted: bool = True) -> Iterator[None]:
    """Keep stop signals for the next `caught` within; what comes after the last one comes too late to stop anything. wanted: else do nothing.

    Of those that nobody has taken, a second one does what it did before; but not SIGUSR1, which says only that time is nearly over.
    """
    if not wanted or not _main():
        yield
        return
    kept: deque[Stop] = deque()

    def keep(number: int, _frame: FrameType | None) -> None:
        stop = Stop(signal.Signals(number))
        if stop is Stop.USER or not any(one is not Stop.USER for one in kept):
            kept.append(stop)
            return
        signal.signal(number, before[stop])
        signal.raise_signal(number)

    before = {kind: signal.getsignal(kind.value) for kind in _heard(Stop)}
    _early.append(kept)
    for kind in before:
        signal.signal(kind.value, keep)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind.value, handler)
        _early.pop()


def pass_over(kinds: Iterable[Stop] = Stop) -> None:
    """Do nothing at stop signals from now on. What this process starts does not inherit that, as it would what is ignored."""
    if _main():
        for kind in _heard(kinds):
            signal.signal(kind.value, lambda *_: None)


def _main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _heard(kinds: Iterable[Stop]) -> list[Stop]:
    """Return those that were not ignored from outside: nohup means it."""
    return [kind for kind in kinds if signal.getsignal(kind.value) is not signal.SIG_IGN]
