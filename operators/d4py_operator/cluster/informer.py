# SPDX-License-Identifier: Apache-2.0
"""Keeps the store fresh for one kind of object: lists it, watches it from there on, and lists it anew where the watch can't go on."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Any

from d4py_operator.cluster.errors import ApiError, ClusterError

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.store import Store

log = logging.getLogger(__name__)
_EXPIRED = 410
_WATCH = 300  # seconds that one watch lasts
_LONGEST = 30.0  # seconds between two tries


class Informer(threading.Thread):
    """A thread that watches one kind in one namespace, or in all."""

    def __init__(self, api: Api, store: Store, kind: str, namespace: str, *, labels: str = "") -> None:
        super().__init__(name=f"watch-{kind}-{namespace or 'all'}", daemon=True)
        self._api, self._store = api, store
        self.kind, self._namespace, self._labels = kind, namespace, labels
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._response: Any = None
        self.synced = threading.Event()  # it has listed all that there is, once
        self.lists = 0

    def end(self) -> None:
        """Let it end, also out of a watch."""
        self._ending.set()
        with self._lock:
            if self._response is not None:
                self._response.shutdown()

    def _opened(self, response: Any) -> None:
        with self._lock:
            self._response = response
        if self._ending.is_set():
            response.shutdown()

    def run(self) -> None:
        """List and watch, again and again."""
        version, wait = "", 0.0
        while not self._ending.is_set():
            try:
                if not version:
                    version = self._list()
                version = self._watch(version)
                wait = 0.0
            except ApiError as error:
                version = "" if error.status in (_EXPIRED, 404) else version
                wait = self._later(wait, error) if error.status != _EXPIRED else wait
            except ClusterError as error:
                wait = self._later(wait, error)

    def _list(self) -> str:
        things, version = self._api.list(self.kind, self._namespace, self._labels)
        self._store.replace(self.kind, self._namespace, things)
        self.lists += 1
        self.synced.set()
        return version

    def _watch(self, version: str) -> str:
        for event in self._api.watch(self.kind, self._namespace, version, self._labels, _WATCH, self._opened):
            thing = event["object"]
            version = thing["metadata"]["resourceVersion"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._store.put(thing)
                case "DELETED":
                    self._store.drop(thing)
            if self._ending.is_set():
                break
        return version

    def _later(self, wait: float, error: ClusterError) -> float:
        if self._ending.is_set():
            return wait
        wait = min(_LONGEST, max(0.2, 2 * wait))
        log.warning(
            "%s of %s: %s; again in %.1f s", "watch" if self.synced.is_set() else "list", self.kind, error, wait
        )
        self._ending.wait(wait * (0.8 + 0.4 * random.random()))  # noqa: S311 - spreads, hides nothing
        return wait
