# SPDX-License-Identifier: Apache-2.0
"""Of many processes that a launcher started, and that are wrong in the same way, one says so: before MPI has begun, they know of each other only by number."""

from __future__ import annotations

import os
import signal
import threading
import time

from d4py.errors import UsageError
from d4py.mappings import launchers
from d4py.mappings.base import Followed
from d4py.mappings.signals import Stop
from d4py.runs import process

# Seconds at least and at most, and how often the age of this process. Where it took long to come here others take longer by more: of eight
# ranks that started on two processors the last came here 0.6 to 1.0 s after the first.
_LATE = 1.0, 10.0, 2.0  # that the first gives the others to come as far
_HEARD = 10.0, 30.0, 6.0  # that the others give the first to say so, at most


def let_the_first_speak() -> None:
    """Return on the first; the others exit when it has, for a launcher may end all with any."""
    if launchers.first(os.environ):
        end_by_itself()
        if launchers.launched(os.environ):
            time.sleep(_seconds(*_LATE))
        return
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait(_seconds(*_HEARD))
    end_by_itself()
    raise Followed(UsageError.exit_code)


def end_by_itself() -> None:
    """Let nothing but this process say how it ends: a launcher ends all with the first that ends badly, and then tells of the last."""
    if not launchers.launched(os.environ) or threading.current_thread() is not threading.main_thread():
        return
    for kind in Stop:  # ignored, and not handled: ranks wait for each other when Python has put back its handlers
        signal.signal(kind.value, signal.SIG_IGN)


def _seconds(least: float, most: float, ages: float) -> float:
    return min(most, max(least, ages * process.age()))
