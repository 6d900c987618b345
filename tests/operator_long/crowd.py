# SPDX-License-Identifier: Apache-2.0
"""Many workflows at once, of all mappings that pods can be played for, and what becomes of them as a watch tells it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.operator.hands import Hands

from d4py_operator.cluster.informer import Informer
from d4py_operator.cluster.store import Store
from d4py_operator.objects import Object

SIZE = 1000
_MULTI = {"mapping": "multi", "parallelism": {"processes": 2}}
_THREADS = {"mapping": "threads", "parallelism": {"processes": 2}}
_NATIVE = {"mapping": "mpi", "mpi": {"ranks": 2, "slotsPerWorker": 2, "launcher": "Native"}}
_MPIJOB = {"mapping": "mpi", "mpi": {"ranks": 2, "slotsPerWorker": 2, "launcher": "MPIJob"}}
# Of twenty: eight simple, six multi, four threads, one of ranks by the operator itself, one by the MPI Operator.
_MIX: list[dict[str, Any]] = [{}] * 8 + [_MULTI] * 6 + [_THREADS] * 4 + [_NATIVE, _MPIJOB]
_HOLD = {"annotations": {"play/hold": "true"}}


class Crowd:
    """Workflows in one namespace. `seconds` says how long after the first was asked for the last of them came so far."""

    def __init__(self, hands: Hands, *, hold: bool = False, size: int = SIZE) -> None:
        """hold: their pods run until they are deleted."""
        self._hands, self._size = hands, size
        self._more: dict[str, Any] = {"template": _HOLD} if hold else {}
        self._came: dict[str, dict[str, float]] = {"reconciled": {}, "running": {}, "over": {}}
        self._changed = threading.Condition()
        self._store = Store()
        self._store.listeners.append(self._heard)
        self._informer = Informer(hands.api, self._store, "Workflow", hands.namespace)
        self.begun = 0.0
        self.created = 0.0  # seconds that asking for all of them took

    def make(self) -> None:
        """Ask for all of them, four at a time."""
        self._informer.start()
        assert self._informer.synced.wait(60)
        self.begun = time.monotonic()
        with ThreadPoolExecutor(4) as people:
            list(people.map(self._one, range(self._size)))
        self.created = time.monotonic() - self.begun

    def _one(self, number: int) -> None:
        self._hands.workflow(f"w{number:04}", **_MIX[number % len(_MIX)], **self._more)

    def _heard(self, thing: Object) -> None:
        status = thing.get("status") or {}
        phase, attempt = status.get("phase"), status.get("lastAttempt") or {}
        accepted = any(each["type"] == "Accepted" and each["status"] == "True" for each in status.get("conditions", ()))
        so = {
            "reconciled": accepted and bool(attempt.get("uid")) and phase in ("Starting", "Running", "Succeeded"),
            "running": phase in ("Running", "Succeeded"),
            "over": phase == "Succeeded",
        }
        with self._changed:
            for name, reached in so.items():
                if reached:
                    self._came[name].setdefault(thing["metadata"]["name"], time.monotonic())
            self._changed.notify_all()

    def wait(self, name: str, within: float) -> float:
        """Wait until all have come so far; return after how many seconds the last had."""
        came = self._came[name]
        with self._changed:
            assert self._changed.wait_for(lambda: len(came) >= self._size, within), (
                f"{len(came)} of {self._size} are {name} after {within:g} s"
            )
            return max(came.values()) - self.begun

    def end(self) -> None:
        """Watch no more."""
        self._informer.end()
        self._informer.join()
