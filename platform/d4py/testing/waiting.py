# SPDX-License-Identifier: Apache-2.0
"""Waiting for what another thread or process does: by looking, with a deadline, never by guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK = 0.002  # seconds between two looks


def eventually(look: Callable[[], T], *, within: float = 20.0, what: str = "") -> T:
    """Return the first true value that `look` gives. Raises TimeoutError after `within` seconds."""
    until = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise TimeoutError(
                f"not within {within:g} s: {what or getattr(look, '__name__', 'it')} (last seen: {found!r})"
            )
        time.sleep(_LOOK)


def settled(look: Callable[[], T], *, quiet: float = 0.3, within: float = 20.0) -> T:
    """Return a value once it has not changed for `quiet` seconds."""
    last = look()
    since = time.monotonic()
    until = since + within
    while time.monotonic() - since < quiet:
        if time.monotonic() > until:
            raise TimeoutError(f"still changing after {within:g} s: {last!r}")
        time.sleep(_LOOK)
        now = look()
        if now != last:
            last, since = now, time.monotonic()
    return last
