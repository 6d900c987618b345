# SPDX-License-Identifier: Apache-2.0
"""Looks at one object at a time and does what is decided about it. Nothing is decided here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from d4py_operator.cluster.errors import ApiError
from d4py_operator.cron import CronWorld, due
from d4py_operator.decision import Decision, Event
from d4py_operator.desired import World, desired, hindered, refused
from d4py_operator.objects import Key, Object, digest, key_of, owners_of, stamp, uid_of
from d4py_operator.sshkeys import pair

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.store import Store

log = logging.getLogger(__name__)
_WRONG = (400, 413, 422)  # the object is at fault: asking again would not help
_EVENTS = 4096


class Stale(Exception):
    """What was decided on is not what there is any more: it is to be looked at again."""


class Taken(Exception):
    """Something of another's has the name that a child is to have."""


class Reconciler:
    """Makes what is there what is to be there."""

    def __init__(
        self,
        api: Api,
        store: Store,
        served: Callable[[], frozenset[str]],
        progress: Callable[[Key], dict[str, int]] = lambda _: {},
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._api, self._store, self._now = api, store, now
        self._served, self._progress = served, progress
        self._told: dict[str, int] = {}  # how often an event was seen

    def reconcile(self, key: Key) -> float | None:
        """Look at an object; return in how many seconds it is to be looked at again. Raises Stale, ClusterError."""
        thing = self._store.get(key)
        if thing is None:
            return None
        if key.kind == "CronWorkflow":
            return self._due(thing)
        world = self._world(thing)
        decision = desired(world, self._now())
        try:
            self._obey(thing, decision)
        except Taken as taken:
            self._refused(key, str(taken))
            return None
        except ApiError as error:
            if error.status == 403:
                self._hindered(key, error)
            if error.status not in _WRONG:
                raise
            self._refused(key, error.refusal)
            return None
        return decision.again

    def _due(self, cron: Object) -> float | None:
        decision = due(CronWorld(cron=cron, workflows=self._children(cron)), self._now())
        try:
            self._obey(cron, decision)
        except (Taken, ApiError) as error:
            if isinstance(error, ApiError) and error.status not in _WRONG:
                raise
            message = error.refusal if isinstance(error, ApiError) else str(error)
            self._tell(cron, Event(reason="Refused", message=f"no Workflow is made: {message}", warning=True))
        return decision.again

    def _refused(self, key: Key, message: str) -> None:
        thing = self._store.get(key)
        if thing is not None:
            self._obey(thing, refused(self._world(thing), message, self._now()))

    def _hindered(self, key: Key, error: ApiError) -> None:
        """Say that the cluster does not let it be made now: a quota, or a right that the operator lacks."""
        thing = self._store.get(key)
        if thing is not None:
            self._obey(thing, hindered(self._world(thing), f"{error.reason}: {error.text}", self._now()))

    def _world(self, thing: Object) -> World:
        namespace = thing["metadata"]["namespace"]
        name = ((thing.get("spec") or {}).get("templateRef") or {}).get("name")
        things = self._store.of(namespace, thing["metadata"]["name"])
        return World(
            workflow=thing,
            template=self._store.get(Key("WorkflowTemplate", namespace, name)) if name else None,
            children=[child for child in things if child["kind"] in ("Job", "MPIJob")],
            pods=[child for child in things if child["kind"] == "Pod"],
            served=self._served(),
            progress=self._progress(key_of(thing)),
        )

    def _children(self, cron: Object) -> list[Object]:
        things = self._store.of(cron["metadata"]["namespace"], cron["metadata"]["name"])
        return [thing for thing in things if thing["kind"] == "Workflow"]

    def _obey(self, thing: Object, decision: Decision) -> None:
        """Do what is decided, in the order in which it can be broken off anywhere."""
        if decision.status is not None:
            try:
                self._store.put(self._api.apply_status(thing, decision.status))
            except ApiError as error:
                if error.status == 404:
                    return  # it was deleted meanwhile
                if error.status == 409:
                    raise Stale from None
                raise
        for event in decision.events:
            self._tell(thing, event)
        for deletion in decision.delete:
            self._api.delete(deletion.key, deletion.uid)
            self._store.deleting(deletion.key, deletion.uid, stamp(self._now()))
        for wanted in decision.apply:
            self._api.apply(wanted)
        for wanted in decision.create:
            self._make(wanted)

    def _make(self, wanted: Object) -> None:
        if wanted["kind"] == "Secret":
            wanted = {**wanted, "data": pair()}
        try:
            made = self._api.create(wanted)
        except ApiError as error:
            if error.status != 409:
                raise
            if wanted["kind"] == "Secret":
                return  # its name is nobody else's
            made = self._api.get(key_of(wanted))
            if not set(owners_of(made)) & set(owners_of(wanted)):
                raise Taken(
                    f"{wanted['kind']} {made['metadata']['name']} is there already, and is not this one's"
                ) from None
        if wanted["kind"] != "Secret":
            self._store.put(made)

    def _tell(self, thing: Object, event: Event) -> None:
        """Have people see an event; the same again is counted. That it can't be told stops nothing."""
        known = f"{uid_of(thing)} {event.reason} {event.message}"
        count = self._told[known] = self._told.pop(known, 0) + 1
        while len(self._told) > _EVENTS:
            del self._told[next(iter(self._told))]
        now = stamp(self._now())
        metadata = thing["metadata"]
        body = {
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{digest(known)}", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "d4py.dev/v1alpha1",
                "kind": thing["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": uid_of(thing),
            },
            "reason": event.reason,
            "message": event.message[:1024],
            "type": "Warning" if event.warning else "Normal",
            "source": {"component": "d4py-operator"},
            "reportingComponent": "d4py-operator",
            "lastTimestamp": now,
            "firstTimestamp": now,
            "count": count,
        }
        try:
            self._api.apply(body)
        except ApiError as error:
            log.warning("event of %s: %s", metadata["name"], error)
