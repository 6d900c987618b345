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
    from collections.abc import Callable, Iterator
    from types import FrameType


class Stop(Enum):
    """What asked for the stop."""

    INTERRUPT = signal.SIGINT
    TERMINATE = signal.SIGTERM
    HANGUP = signal.SIGHUP
    USER = signal.SIGUSR1


@contextmanager
def caught(wake: Callable[[], None] | None = None) -> Iterator[deque[Stop]]:
    """Collect stop signals while the block runs; only the main thread can. wake: called in the handler, to end a wait."""
    stops: deque[Stop] = deque()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return

    def take(number: int, _frame: FrameType | None) -> None:
        stops.append(Stop(signal.Signals(number)))
        if wake is not None:
            wake()

    # What was ignored from outside stays ignored: nohup means it.
    heard = [kind for kind in Stop if signal.getsignal(kind.value) is not signal.SIG_IGN]
    before = {kind: signal.signal(kind.value, take) for kind in heard}
    try:
        yield stops
    finally:
        for kind, handler in before.items():
            signal.signal(kind.value, handler)
