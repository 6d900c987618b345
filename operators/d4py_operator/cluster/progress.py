# SPDX-License-Identifier: Apache-2.0
"""Asks runs how far they have come: now and then, each for a moment only. Whoever cannot be reached is asked later and later.

An operator outside the cluster reaches no pod: then what a run says at its end is all that there is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import urllib3

from d4py_operator.objects import Key
from d4py_operator.pods import PROGRESS

EVERY = 10.0  # seconds between two questions to a run
_TIMEOUT = urllib3.Timeout(connect=0.5, read=1.0)
_LARGEST = 1 << 20  # bytes of an answer
_LONGEST = 300.0
_PARTS = ("read", "written", "quarantined")


def progress(text: str) -> dict[str, int]:
    """Return the counts in what a run serves (Prometheus' text format), over all PEs; nothing that is not understood."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        name = name.partition("{")[0]
        part = "checkpoint" if name == "d4py_checkpoint" else name.removeprefix("d4py_items_").removesuffix("_total")
        if name.startswith("d4py_") and part in (*_PARTS, "checkpoint") and value.isascii() and value.isdigit():
            found[part] = min(found.get(part, 0) + int(value[:18]), 1 << 53)
    return found


class Asker(threading.Thread):
    """A thread that asks the runs that go on, and says which have come further."""

    def __init__(self, going: Callable[[], Iterator[tuple[Key, str]]], heard: Callable[[Key], None]) -> None:
        """going: yields the workflows that run, each with the address of the pod that leads it."""
        super().__init__(name="progress", daemon=True)
        self._going, self._heard = going, heard
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        self._silent: dict[str, tuple[float, float]] = {}  # address: when it may be asked again, and how long that was
        self.known: dict[Key, dict[str, int]] = {}
        self.ending = threading.Event()

    def run(self) -> None:
        """Ask, turn after turn."""
        while not self.ending.wait(EVERY):
            self.turn()

    def turn(self) -> None:
        """Ask each run once."""
        going = dict(self._going())
        self.known = {key: counts for key, counts in self.known.items() if key in going}
        self._silent = {address: until for address, until in self._silent.items() if address in going.values()}
        for key, address in going.items():
            if self.ending.is_set():
                return
            counts = self._ask(address)
            if counts and counts != self.known.get(key):
                self.known[key] = counts
                self._heard(key)

    def _ask(self, address: str) -> dict[str, int]:
        until, wait = self._silent.get(address, (0.0, EVERY))
        if time.monotonic() < until:
            return {}
        host = f"[{address}]" if ":" in address else address
        try:
            response = self._pool.request(
                "GET", f"http://{host}:{PROGRESS}/metrics", preload_content=False, redirect=False
            )
            text = response.read(_LARGEST).decode("utf-8", "replace") if response.status == 200 else ""
            response.close()
        except (urllib3.exceptions.HTTPError, OSError):
            text = ""
        counts = progress(text)
        if counts:
            self._silent.pop(address, None)
        else:
            self._silent[address] = time.monotonic() + wait, min(2 * wait, _LONGEST)
        return counts
