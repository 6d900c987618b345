# SPDX-License-Identifier: Apache-2.0
"""What is known of a cluster's objects: kept fresh by watches and by the answers to what the operator itself writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from d4py_operator.objects import CRON, WORKFLOW, Key, Object, key_of, labels_of, uid_of

Listener = Callable[[Object], None]
# What the operator reads of these; the rest need not be kept.
_SPEC = {"Pod": ("nodeName",), "Job": ("suspend",), "MPIJob": ("runPolicy",)}


def trimmed(thing: Object) -> Object:
    """Return an object without what nobody here reads."""
    metadata: dict[str, Any] = thing["metadata"]
    for name in ("managedFields", "annotations"):
        metadata.pop(name, None)
    if thing["kind"] in _SPEC:
        spec = thing.get("spec") or {}
        thing["spec"] = {name: spec[name] for name in _SPEC[thing["kind"]] if name in spec}
    return thing


def version(thing: Object) -> int:
    """Return an object's resource version as a number, which grows; 0 where it is none."""
    text = thing["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


class Store:
    """Objects by key, and by the workflow that they are for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._things: dict[Key, Object] = {}
        self._of: dict[tuple[str, str], set[Key]] = {}
        self._gone: dict[str, int] = {}
        self.listeners: list[Listener] = []

    def put(self, thing: Object) -> None:
        """Take in an object, unless a newer one is known already."""
        thing = trimmed(thing)
        key = key_of(thing)
        with self._lock:
            known = self._things.get(key)
            if known is not None and 0 < version(thing) <= version(known):
                return
            if uid_of(thing) in self._gone:
                return  # the answer to a write came later than the news that it was deleted
            self._things[key] = thing
            groups = _groups(thing)
            left = [group for group in _groups(known) if group not in groups] if known else []
            self._leave(key, left)
            for group in groups:
                self._of.setdefault(group, set()).add(key)
        if known is not None and left:
            self._tell(known)  # those whom somebody has taken it from
        self._tell(thing)

    def _leave(self, key: Key, groups: Iterable[tuple[str, str]]) -> None:
        for group in groups:
            self._of[group].discard(key)
            if not self._of[group]:
                del self._of[group]

    def drop(self, thing: Object) -> None:
        """Forget an object that is gone."""
        key = key_of(thing)
        with self._lock:
            known = self._things.get(key)
            self._gone[uid_of(thing)] = version(thing)
            while len(self._gone) > 10_000:
                del self._gone[next(iter(self._gone))]
            if known is None or uid_of(known) != uid_of(thing):
                return
            del self._things[key]
            self._leave(key, _groups(known))
        self._tell(thing)

    def deleting(self, key: Key, uid: str, when: str) -> None:
        """Note that an object was told to go, before news of it comes."""
        with self._lock:
            thing = self._things.get(key)
            if thing is not None and uid_of(thing) == uid and not thing["metadata"].get("deletionTimestamp"):
                self._things[key] = {**thing, "metadata": {**thing["metadata"], "deletionTimestamp": when}}

    def replace(self, kind: str, namespace: str, things: Iterable[Object], at: str) -> None:
        """Take in a whole list: what is not in it is gone, but for what was made since. at: the resource version that it is of."""
        listed = {key_of(thing): thing for thing in things}
        until = version({"metadata": {"resourceVersion": at}})
        with self._lock:
            gone = [
                thing
                for key, thing in self._things.items()
                if key.kind == kind
                and namespace in ("", key.namespace)
                and key not in listed
                and not 0 < until < version(thing)
            ]
        for thing in gone:
            self.drop(thing)
        for thing in listed.values():
            self.put(thing)

    def get(self, key: Key) -> Object | None:
        """Return an object; None where there is none."""
        with self._lock:
            return self._things.get(key)

    def all(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""
        with self._lock:
            return [thing for key, thing in self._things.items() if key.kind == kind]

    def of(self, namespace: str, name: str) -> list[Object]:
        """Return the objects that were made for a workflow or a CronWorkflow of this name."""
        with self._lock:
            return [self._things[key] for key in sorted(self._of.get((namespace, name), ()))]

    def _tell(self, thing: Object) -> None:
        for listener in self.listeners:
            listener(thing)


def _groups(thing: Object) -> list[tuple[str, str]]:
    labels, namespace = labels_of(thing), thing["metadata"].get("namespace", "")
    names = {labels[label] for label in (WORKFLOW, CRON) if label in labels}
    return [(namespace, name) for name in names]
