# SPDX-License-Identifier: Apache-2.0
"""Asks runs how far they have come: now and then, each for a moment only. Whoever cannot be reached is asked later and later.

An operator outside the cluster reaches no pod: then what a run says at its end is all that there is.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import urllib3

from d4py_operator.objects import Key
from d4py_operator.pods import PROGRESS
from d4py_operator.summary import Summary, plan_of

EVERY = 10.0  # seconds between two questions to a run
_APART = 0.5  # seconds between any two questions: what a thousand runs cost is bounded, and each is asked less often
_TIMEOUT = urllib3.Timeout(connect=0.5, read=1.0)
_LARGEST = 1 << 20  # bytes of an answer
_LONGEST = 300.0
_INSTANCE = re.compile(r'pe="(?P<pe>(?:[^"\\]|\\.)*)",instance="(?P<number>\d+)"')
_ESCAPE = re.compile(r"\\(.)")
_PARTS = ("read", "written", "quarantined")


def progress(text: str) -> Summary | None:
    """Return what a run serves (Prometheus' text format), over all PEs; None where nothing of it is understood."""
    counts: Counter[str] = Counter()
    instances: set[tuple[str, str]] = set()
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        name, _, labels = name.partition("{")
        part = "checkpoint" if name == "d4py_checkpoint" else name.removeprefix("d4py_items_").removesuffix("_total")
        if name.startswith("d4py_") and part in (*_PARTS, "checkpoint") and value.isascii() and value.isdigit():
            counts[part] = min(counts[part] + int(value[:18]), 1 << 53)
            if of := _INSTANCE.match(labels):
                instances.add((_unescaped(of["pe"]), of["number"]))
    plan = Counter(pe for pe, _ in instances)
    if not counts:
        return None
    return Summary(
        read=counts["read"],
        written=counts["written"],
        quarantined=counts["quarantined"],
        checkpoint=counts["checkpoint"],
        plan=plan_of(plan),
    )


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


class Asker(threading.Thread):
    """A thread that asks the runs that go on, and says which have come further."""

    def __init__(self, going: Callable[[], Iterator[tuple[Key, str]]], heard: Callable[[Key], None]) -> None:
        """going: yields the workflows that run, each with the address of the pod that leads it."""
        super().__init__(name="progress", daemon=True)
        self._going, self._heard = going, heard
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        self._silent: dict[str, tuple[float, float]] = {}  # address: when it may be asked again, and how long that was
        self.known: dict[Key, Summary] = {}
        self.ending = threading.Event()

    def run(self) -> None:
        """Ask, turn after turn."""
        while not self.ending.wait(EVERY):
            self.turn()

    def said(self, key: Key) -> Summary | None:
        """Return what a run has said last."""
        return self.known.get(key)

    def turn(self) -> None:
        """Ask each run once."""
        going = dict(self._going())
        self.known = {key: counts for key, counts in self.known.items() if key in going}
        self._silent = {address: until for address, until in self._silent.items() if address in going.values()}
        for key, address in going.items():
            if self._silenced(address):
                continue
            if self.ending.wait(_APART):
                return
            counts = self._ask(address)
            if counts and counts != self.known.get(key):
                self.known[key] = counts
                self._heard(key)

    def _silenced(self, address: str) -> bool:
        return time.monotonic() < self._silent.get(address, (0.0, EVERY))[0]

    def _ask(self, address: str) -> Summary | None:
        _, wait = self._silent.get(address, (0.0, EVERY))
        host = f"[{address}]" if ":" in address else address
        try:
            response = self._pool.request(
                "GET", f"http://{host}:{PROGRESS}/metrics", preload_content=False, redirect=False
            )
            text = response.read(_LARGEST).decode("utf-8", "replace") if response.status == 200 else ""
            response.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(error.__cause__, ConnectionRefusedError):
                return None  # its pod is there, and its run about to be
            text = ""
        counts = progress(text)
        if counts:
            self._silent.pop(address, None)
        else:
            self._silent[address] = time.monotonic() + wait, min(2 * wait, _LONGEST)
        return counts
