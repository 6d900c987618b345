# SPDX-License-Identifier: Apache-2.0
"""Which of several operators acts: the one that holds a Lease and renews it. Who is late in renewing it does nothing until it has, and ends when another has taken it.

An operator of several namespaces has a lease in each of them, and acts where it holds it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.cluster.kinds import place
from d4py_operator.objects import Key, Object

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api

log = logging.getLogger(__name__)
NAME = "d4py-operator"
_MARGIN = 0.1  # seconds


class Lease:
    """A lease that this process holds, waits for, or has lost."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        identity: str,
        *,
        name: str = NAME,
        seconds: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._identity, self._clock = api, identity, clock
        self._key = Key("Lease", namespace, name)
        self._seconds = seconds
        self._renewed = clock()
        self._seen: tuple[str, float] = ("", clock())  # the other's last renewal as it says, and when it was seen
        self._runs_out = clock() + seconds  # when that is too long ago
        self._waits_for = ""
        self.name, self.namespaces = name, [namespace]
        self.held = threading.Event()
        self.lost = threading.Event()

    @property
    def acting(self) -> frozenset[str]:
        """Where it is, if it is held."""
        return frozenset(self.namespaces if self.held.is_set() else ())

    def of(self, namespace: str) -> Lease:
        """Return the one that counts in a namespace."""
        return self

    @property
    def every(self) -> float:
        """Seconds between two looks at it."""
        return self._seconds / 5

    @property
    def pause(self) -> float:
        """Seconds until the next look: whoever waits looks when the other's lease runs out, not later."""
        left = self._runs_out - self._clock()
        return self.every if self.held.is_set() or left <= 0 else min(self.every, left + _MARGIN)

    @property
    def fresh(self) -> bool:
        """Whether it was renewed lately enough to act on it."""
        return self.held.is_set() and self._clock() - self._renewed < self._seconds * 2 / 3

    def keep(self, ending: threading.Event) -> None:
        """Take it when it is free and renew it, until another has it or this process ends."""
        was_late, told = False, ""
        while not ending.is_set() and not self.lost.is_set():
            try:
                self._turn()
                told = ""
            except Exception as error:  # a proxy may answer anything
                words = str(error) if isinstance(error, ClusterError) else f"what was answered is none: {error!r}"
                if words != told:
                    log.warning("lease: %s in %s: %s", self.name, self._key.namespace, words)
                told = words
            late = self.held.is_set() and not self.fresh
            if late and not was_late:
                log.warning("lease: it was not renewed in time; nothing is done until it is")
            was_late = late
            ending.wait(self.pause)

    def _turn(self) -> None:
        asked = self._clock()
        try:
            lease: Object = self._api.request("GET", place(self._key))
        except ApiError as error:
            if error.status != 404:
                raise
            metadata = {"name": self._key.name, "namespace": self._key.namespace}
            self._write(
                lambda: self._api.create({"kind": "Lease", "metadata": metadata, "spec": self._spec({})}), asked
            )
            return
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._expired(spec):
            if self.held.is_set():
                log.error("lease: %s has taken it; this operator stops", holder)
                self.lost.set()
            elif holder != self._waits_for:
                log.info("lease: %s in %s is held by %s; this operator waits", self.name, self._key.namespace, holder)
                self._waits_for = holder
            return
        lease["spec"] = self._spec(spec)
        self._write(lambda: self._api.request("PUT", place(self._key), body=lease), asked)

    def _write(self, call: Callable[[], Any], asked: float) -> None:
        try:
            call()
        except ApiError as error:
            if error.status != 409:
                raise
            return  # somebody else was faster
        self._renewed = asked
        if not self.held.is_set():
            log.info("lease: %s in %s is held by %s", self.name, self._key.namespace, self._identity)
            self.held.set()

    def _expired(self, spec: dict[str, Any]) -> bool:
        """Whether its holder has not renewed it for as long as it holds, by our own clock."""
        said = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
        if said != self._seen[0]:
            self._seen = said, self._clock()
        self._runs_out = self._seen[1] + float(spec.get("leaseDurationSeconds") or self._seconds)
        return self._clock() > self._runs_out

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = before.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._seconds)),
            "acquireTime": before.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (not mine),
        }

    def release(self) -> None:
        """Let another have it at once."""
        if not self.held.is_set() or self.lost.is_set():
            return
        try:
            lease = self._api.request("GET", place(self._key))
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                self._api.request("PUT", place(self._key), body=lease)
        except Exception as error:  # whatever a proxy answers, the process is to end well
            log.warning("lease: it cannot be let go, and will run out: %s", error)


class Leases:
    """Leases of several namespaces."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        self._leases = {lease.namespaces[0]: lease for lease in leases}
        self.name, self.namespaces = leases[0].name, list(self._leases)
        self.held = threading.Event()  # at least one
        self.lost = threading.Event()  # at least one

    @property
    def acting(self) -> frozenset[str]:
        """Where one is held."""
        return frozenset(namespace for namespace, lease in self._leases.items() if lease.held.is_set())

    def of(self, namespace: str) -> Lease:
        """Return the one that counts in a namespace: its own, or the one for all."""
        return self._leases.get(namespace) or self._leases[self.namespaces[0]]

    @property
    def fresh(self) -> bool:
        """Whether one was renewed lately enough to act on it."""
        return any(lease.fresh for lease in self._leases.values())

    def keep(self, ending: threading.Event) -> None:
        """Take them when they are free and renew them, until another has one or this process ends. Raises RuntimeError where one is kept no more."""
        done = threading.Event()
        keepers = [
            threading.Thread(target=lease.keep, args=(done,), name=f"lease-{namespace}", daemon=True)
            for namespace, lease in self._leases.items()
        ]
        for keeper in keepers:
            keeper.start()
        while not ending.wait(0.2) and not self.lost.is_set():
            if self.acting:
                self.held.set()
            if any(lease.lost.is_set() for lease in self._leases.values()):
                self.lost.set()
            elif not all(keeper.is_alive() for keeper in keepers):
                done.set()
                raise RuntimeError("a thread that renews a lease has ended")
        done.set()
        for keeper in keepers:
            keeper.join()

    def release(self) -> None:
        """Let another have them at once."""
        for lease in self._leases.values():
            lease.release()
