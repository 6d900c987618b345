# SPDX-License-Identifier: Apache-2.0
"""Namespaces that have an operator of their own: it holds a lease there, and the one that works everywhere leaves them to it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from d4py_operator.cluster.errors import ClusterError
from d4py_operator.cluster.kinds import collection

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api

log = logging.getLogger(__name__)
_EVERY = 5.0  # seconds between two looks
_SECONDS = 15.0  # that a lease lasts where it says nothing


class Others(threading.Thread):
    """A thread that looks where there are leases of this name."""

    def __init__(
        self,
        api: Api,
        name: str,
        own: Sequence[str],
        changed: Callable[[set[str]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """own: namespaces in which the lease is the operator's own. changed: is told namespaces that were taken, or left."""
        super().__init__(name="others", daemon=True)
        self._api, self._name, self._own, self._changed, self._clock = api, name, frozenset(own), changed, clock
        self._seen: dict[str, tuple[str, float]] = {}  # what a lease said last, and when that was heard first
        self._told = ""
        self.known: frozenset[str] = frozenset()
        self.ending = threading.Event()

    def run(self) -> None:
        """Look, again and again."""
        while not self.ending.wait(_EVERY):
            self.turn()

    def turn(self) -> None:
        """Look, and bear whatever is answered: who has not the right to it works everywhere."""
        try:
            self.look()
            self._told = ""
        except Exception as error:  # a proxy may answer anything
            if self._told != str(error):
                log.warning("operators of namespaces are not known: %s", error)
            self._told = str(error)

    def look(self) -> None:
        """Look once. Raises ClusterError."""
        found = self._api.request(
            "GET", collection("Lease", ""), query={"fieldSelector": f"metadata.name={self._name}"}
        )
        items = found.get("items")
        if not isinstance(items, list):
            raise ClusterError("What was answered is no list of leases.")
        leases = {each["metadata"]["namespace"]: each.get("spec") or {} for each in items}
        self._seen = {namespace: seen for namespace, seen in self._seen.items() if namespace in leases}
        known = frozenset(
            namespace
            for namespace, spec in leases.items()
            if namespace not in self._own and self._alive(namespace, spec)
        )
        before, self.known = self.known, known
        for namespace in sorted(known - before):
            log.info("namespace %s has an operator of its own: %s", namespace, leases[namespace]["holderIdentity"])
        for namespace in sorted(before - known):
            log.info("namespace %s has no operator of its own any more", namespace)
        if known != before:
            self._changed(set(known ^ before))

    def _alive(self, namespace: str, spec: dict[str, Any]) -> bool:
        """Whether a lease is held and was renewed within the time that it lasts, by our own clock."""
        holder = spec.get("holderIdentity")
        said, now = f"{holder} {spec.get('renewTime')}", self._clock()
        if self._seen.get(namespace, ("", 0.0))[0] != said:
            self._seen[namespace] = said, now
        return bool(holder) and now - self._seen[namespace][1] <= float(spec.get("leaseDurationSeconds") or _SECONDS)
