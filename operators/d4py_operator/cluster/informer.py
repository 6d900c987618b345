# SPDX-License-Identifier: Apache-2.0
"""Keeps the store fresh for one kind of object: lists it, watches it from there on, and lists it anew where the watch can't go on."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.cluster.store import trimmed

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.store import Store

log = logging.getLogger(__name__)
_ABSENT, _EXPIRED = 404, 410
_WATCH = 300  # seconds that one watch lasts
_SOON = 1.0  # seconds: a watch that is over before, and has told nothing, is none
_LONGEST = 30.0  # seconds between two tries


class Informer(threading.Thread):
    """A thread that watches one kind in one namespace, or in all."""

    def __init__(
        self,
        api: Api,
        store: Store,
        kind: str,
        namespace: str,
        *,
        labels: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name=f"watch-{kind}-{namespace or 'all'}", daemon=True)
        self._api, self._store = api, store
        self.kind, self._namespace, self._labels = kind, namespace, labels
        self._ending, self._clock = threading.Event(), clock
        self._version = ""  # of the newest that is known
        self._lock = threading.Lock()
        self._response: Any = None
        self.synced = threading.Event()  # it has listed all that there is, once
        self.served: bool | None = None  # whether the cluster has this kind; None: that is not known yet
        self.lists = 0

    def end(self) -> None:
        """Let it end, also out of a watch."""
        self._ending.set()
        with self._lock:
            if self._response is not None:
                _cut(self._response)

    def _opened(self, response: Any) -> None:
        with self._lock:
            self._response = response
        if self._ending.is_set():
            _cut(response)

    def run(self) -> None:
        """List and watch, again and again."""
        wait = 0.0
        while not self._ending.is_set():
            begun, listed = self._clock(), not self._version
            try:
                if listed:
                    self._version = self._list()
                    begun = self._clock()
                self._watch(begun)
                wait = 0.0
            except ApiError as error:
                wait = self._refused(error, wait, soon=listed and self._clock() - begun < _SOON)
            except ClusterError as error:
                # What lasts and is then cut, as proxies do, may begin again at once: only what fails at once fails more and more.
                wait = self._later(0.0 if self._clock() - begun > _LONGEST else wait, error)
            except Exception as error:  # a proxy may answer anything: what was read before it is listed anew
                self._version = ""
                wait = self._later(wait, error)

    def _refused(self, error: ApiError, wait: float, *, soon: bool) -> float:
        """Note what an answer means that is no success. soon: it came at once, upon a list."""
        if error.status not in (_ABSENT, _EXPIRED):
            return self._later(wait, error)
        self._version = ""
        if error.status == _EXPIRED:
            return self._later(wait, error) if soon else wait
        known, self.served = self.served is False, False
        return self._later(wait, error, quiet=known)

    def _list(self) -> str:
        things, version = self._api.list(self.kind, self._namespace, self._labels, kept=trimmed)
        self._store.replace(self.kind, self._namespace, things, version)
        self.lists += 1
        self.served = True  # only now: whoever looks for something of this kind is to find what was listed
        self.synced.set()
        return version

    def _watch(self, begun: float) -> None:
        """Take in what changes. begun: when. Raises ClusterError where it is over at once, and has told nothing."""
        told = False
        watched = self._api.watch(self.kind, self._namespace, self._version, self._labels, _WATCH, self._opened)
        for event in watched:
            told, thing = True, event["object"]
            self._version = thing["metadata"]["resourceVersion"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    self._store.put(thing)
                case "DELETED":
                    self._store.drop(thing)
            if self._ending.is_set():
                break
        if not told and self._clock() - begun < _SOON:
            raise ClusterError("it was over at once, and told nothing")

    def _later(self, wait: float, error: Exception, *, quiet: bool = False) -> float:
        """Wait, longer each time; return how long. quiet: it was told before."""
        if self._ending.is_set():
            return wait
        wait = min(_LONGEST, max(0.2, 2 * wait))
        log.log(
            logging.DEBUG if quiet else logging.WARNING,
            "%s of %s: %s; again in %.1f s",
            "watch" if self.synced.is_set() else "list",
            self.kind,
            error if isinstance(error, ClusterError) else f"what was answered is none: {error!r}",
            wait,
        )
        self._ending.wait(wait * (0.8 + 0.4 * random.random()))  # noqa: S311 - spreads, hides nothing
        return wait


def _cut(response: Any) -> None:
    """Have a watch end, if it has not done so by itself."""
    with suppress(ValueError, RuntimeError, OSError):
        response.shutdown()
