# SPDX-License-Identifier: Apache-2.0
"""Looks at one object at a time and does what is decided about it. Nothing is decided here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.cron import CronWorld, due
from d4py_operator.decision import Decision, Event
from d4py_operator.desired import World, desired, hindered, refused
from d4py_operator.objects import Key, Object, digest, key_of, leaving, owners_of, stamp, uid_of
from d4py_operator.setbacks import Kept, Setback, Unmade, of_status
from d4py_operator.sshkeys import pair
from d4py_operator.summary import Summary

if TYPE_CHECKING:
    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.store import Store

log = logging.getLogger(__name__)
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
        progress: Callable[[Key], Summary | None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        failures: Callable[[Key], int] = lambda _: 0,
        finished: Callable[[Object], None] = lambda _: None,
    ) -> None:
        """failures: how often the looks at an object have failed until now. finished: is given each status by which a run is over, when it is written."""
        self._api, self._store, self._now, self._failures = api, store, now, failures
        self._served, self._progress, self._finished = served, progress, finished
        self._told: dict[str, int] = {}  # how often an event was seen
        self._telling = threading.Lock()

    def reconcile(self, key: Key) -> float | None:
        """Look at an object; return in how many seconds it is to be looked at again. Raises Stale, ClusterError."""
        thing = self._store.get(key)
        if thing is None:
            return None
        decision = self._decision(thing)
        try:
            self._obey(thing, decision)
        except Taken as taken:
            self._refused(thing, str(taken))
        except Setback as setback:
            if setback.error.ending:
                return None  # it goes with its namespace
            if not (isinstance(setback, Unmade) and setback.error.lasting):
                if setback.to_be_told(self._failures(key) + 1):
                    self._say(thing, setback)
                raise
            self._refused(thing, setback.error.refusal)
        return decision.again

    def _decision(self, thing: Object) -> Decision:
        if thing["kind"] == "CronWorkflow":
            return due(CronWorld(cron=thing, workflows=self._children(thing)), self._now())
        return desired(self._world(thing), self._now())

    def _refused(self, thing: Object, message: str) -> None:
        """Say that it will not be made as it is."""
        now = self._store.get(key_of(thing))
        if thing["kind"] == "CronWorkflow":
            self._tell(thing, _unmade(message))
        elif now is not None:
            self._obey(now, refused(self._world(now), message, self._now()))

    def _say(self, thing: Object, setback: Setback) -> None:
        """Have people know what is in its way: a workflow that is not made says so in its status."""
        now = self._store.get(key_of(thing))
        if not isinstance(setback, Unmade):
            self._tell(thing, Event(reason=setback.event, message=str(setback), warning=True))
        elif thing["kind"] == "CronWorkflow":
            self._tell(thing, _unmade(str(setback)))
        elif now is not None:
            try:
                self._obey(now, hindered(self._world(now), str(setback), self._now()))
            except (ClusterError, Stale) as error:
                log.debug("%s %s is not told: %s", thing["kind"], thing["metadata"]["name"], error)

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
                written = self._api.apply_status(thing, decision.status)
            except ApiError as error:
                if error.status == 404:
                    return  # it was deleted meanwhile
                if error.status == 409:
                    raise Stale from None
                raise of_status(error) from None
            if decision.status.get("completionTime") and not (thing.get("status") or {}).get("completionTime"):
                self._finished(decision.status)
            self._store.put(written)
        for event in decision.events:
            self._tell(thing, event)
        for deletion in decision.delete:
            try:
                self._api.delete(deletion.key, deletion.uid)
            except ApiError as error:
                raise Kept(deletion.key, error) from None
            self._store.deleting(deletion.key, deletion.uid, stamp(self._now()))
        for act, wanted in [
            *((self._api.apply, each) for each in decision.apply),
            *((self._make, each) for each in decision.create),
        ]:
            try:
                act(wanted)
            except ApiError as error:
                raise Unmade(wanted, error) from None

    def _make(self, wanted: Object) -> None:
        if wanted["kind"] == "Secret":
            wanted = {**wanted, "data": pair()}
        try:
            made = self._api.create(wanted)
        except ApiError as error:
            if error.reason != "AlreadyExists":  # a quota that others are at gives 409, too
                raise
            if wanted["kind"] == "Secret":
                return  # its name is nobody else's
            made = self._api.get(key_of(wanted))
            if leaving(made, wanted):
                raise Stale from None
            if not set(owners_of(made)) & set(owners_of(wanted)):
                raise Taken(
                    f"{wanted['kind']} {made['metadata']['name']} is there already, and is not this one's"
                ) from None
        if wanted["kind"] != "Secret":
            self._store.put(made)

    def _tell(self, thing: Object, event: Event) -> None:
        """Have people see an event; the same again is counted. That it can't be told stops nothing."""
        known = f"{uid_of(thing)} {event.reason} {event.message}"
        with self._telling:
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
            self._send(body, new=count == 1)
        except ApiError as error:
            if not error.ending:
                log.warning("event of %s: %s", metadata["name"], error)

    def _send(self, event: Object, *, new: bool) -> None:
        """Send an event: creating one is cheaper than applying it, and few come twice."""
        if new:
            try:
                self._api.create(event)
            except ApiError as error:
                if error.status != 409:  # an operator before this one has told it
                    raise
            else:
                return
        self._api.apply(event)


def _unmade(message: str) -> Event:
    return Event(reason="Refused", message=f"no Workflow is made: {message}", warning=True)
