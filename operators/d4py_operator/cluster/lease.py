# SPDX-License-Identifier: Apache-2.0
"""Which of several operators acts: the one that holds a Lease and renews it. Who is late in renewing it does nothing until it has, and ends when another has taken it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.cluster.kinds import place
from d4py_operator.objects import Key, Object

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api

log = logging.getLogger(__name__)
NAME = "d4py-operator"


class Lease:
    """A lease that this process holds, waits for, or has lost."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        identity: str,
        *,
        seconds: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._identity, self._clock = api, identity, clock
        self._key = Key("Lease", namespace, NAME)
        self._seconds = seconds
        self._renewed = clock()
        self._seen: tuple[str, float] = ("", clock())  # the other's last renewal as it says, and when it was seen
        self.held = threading.Event()
        self.lost = threading.Event()

    @property
    def every(self) -> float:
        """Seconds between two looks at it."""
        return self._seconds / 5

    @property
    def fresh(self) -> bool:
        """Whether it was renewed lately enough to act on it."""
        return self.held.is_set() and self._clock() - self._renewed < self._seconds * 2 / 3

    def keep(self, ending: threading.Event) -> None:
        """Take it when it is free and renew it, until another has it or this process ends."""
        was_late = False
        while not ending.is_set() and not self.lost.is_set():
            try:
                self._turn()
            except ClusterError as error:
                log.warning("lease: %s", error)
            late = self.held.is_set() and not self.fresh
            if late and not was_late:
                log.warning("lease: it was not renewed in time; nothing is done until it is")
            was_late = late
            ending.wait(self.every)

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
            log.info("lease: held by %s", self._identity)
            self.held.set()

    def _expired(self, spec: dict[str, Any]) -> bool:
        """Whether its holder has not renewed it for as long as it holds, by our own clock."""
        said = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
        if said != self._seen[0]:
            self._seen = said, self._clock()
            return False
        return self._clock() - self._seen[1] > float(spec.get("leaseDurationSeconds") or self._seconds)

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
        except ClusterError as error:
            log.warning("lease: it cannot be let go, and will run out: %s", error)
