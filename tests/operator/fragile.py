# SPDX-License-Identifier: Apache-2.0
"""Operators that die at a call of theirs: many at once, each with a workflow of its own, all on one control plane."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.operator.hands import Hands

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.store import Store
from d4py_operator.objects import Key, Object, digest
from d4py_operator.reconcile import Reconciler, Stale

WRITES = ("POST", "PATCH", "PUT", "DELETE")
AT_ONCE = 6  # each waits for the API server most of the time
SEEN = ("Workflow", "Job", "Pod")
MADE = ("Job", "Service", "ConfigMap", "Secret", "NetworkPolicy")


class Killed(BaseException):
    """The operator is dead."""


class Fragile:
    """The API for one operator, which dies before or after one of its writes."""

    def __init__(self, api: Api, *, at: int = 0, after: bool = False) -> None:
        self._api, self.at, self._after = api, at, after
        self.writes = 0
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: getattr(Api, name)(self, *args)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> Any:
        writes = method in WRITES
        if writes:
            self.writes += 1
            self.calls.append(f"{method} {path.rpartition('/namespaces/')[2].partition('/')[2]}")
            if self.writes == self.at and not self._after:
                raise Killed
        try:
            return self._api.request(method, path, query=query, body=body, content=content)
        finally:
            if writes and self.writes == self.at:  # whatever came of it
                raise Killed


class Fate:
    """A workflow and the operators that look after it, one after the other."""

    def __init__(self, api: Api, name: str, *, at: int = 0, after: bool = False) -> None:
        self.name, self.api = name, Fragile(api, at=at, after=after)
        self.died = False

    def look(self, store: Store, namespace: str) -> bool:
        """Look at the workflow until nothing is left to do, or the operator dies; return whether anything was done."""
        reconciler = Reconciler(self.api, store, frozenset)  # type: ignore[arg-type]
        before = self.api.writes
        try:
            for _ in range(20):
                begun = self.api.writes
                reconciler.reconcile(Key("Workflow", namespace, self.name))
                if self.api.writes == begun:
                    break
        except Killed:
            self.died = True
        except Stale:
            return True
        return self.api.writes > before


def settle(api: Api, namespace: str, fates: list[Fate]) -> None:
    """Let all look, several at once, until none has anything to do. Each time they begin as operators do: by listing what is there."""
    acting = fates
    for _ in range(30):
        store = Store()
        for kind in SEEN:
            store.replace(kind, namespace, *api.list(kind, namespace))
        with ThreadPoolExecutor(AT_ONCE) as operators:
            acted = list(operators.map(lambda fate, store=store: fate.look(store, namespace), fates))
        acting = [fate for fate, has in zip(fates, acted, strict=True) if has]
        if not acting:
            return
    raise AssertionError(f"{[fate.name for fate in acting]} never settle: {acting[0].api.calls[-10:]}")


def picture(hands: Hands, fate: Fate, things: dict[str, list[Object]]) -> dict[str, Any]:
    """Return what there is of a workflow, without what differs from one to another."""
    workflow = next((each for each in things["Workflow"] if each["metadata"]["name"] == fate.name), None)
    if workflow is None:
        return {"gone": [each["metadata"]["name"] for kind in MADE for each in things[kind] if _of(each) == fate.name]}
    uid, status = workflow["metadata"]["uid"], workflow.get("status") or {}

    def plain(text: str) -> str:
        return text.replace(fate.name, "NAME").replace(digest(uid)[:5], "HASH")

    ours = {kind: [each for each in things[kind] if _of(each) == fate.name] for kind in MADE}
    orphans = [
        each["metadata"]["name"]
        for kind in MADE
        for each in ours[kind]
        if [owner["uid"] for owner in each["metadata"].get("ownerReferences", ())] != [uid]
    ]
    return {
        "orphans": orphans,
        "objects": sorted(plain(f"{kind}/{each['metadata']['name']}") for kind in MADE for each in ours[kind]),
        "pods": sorted(plain(_job(pod)) for pod in things["Pod"] if _of(pod) == fate.name),
        "says": [status.get("phase"), status.get("reason"), status.get("attempts"), status.get("failures")],
        "conditions": sorted(f"{each['type']}={each['status']}" for each in status.get("conditions", ())),
        "history": [attempt.get("reason") for attempt in status.get("history", ())],
        "refs": sorted(plain(f"{ref['kind']}/{ref['name']}") for ref in status.get("mappingRefs", ())),
    }


def _of(thing: Object) -> str | None:
    name: str | None = (thing["metadata"].get("labels") or {}).get("d4py.dev/workflow")
    return name


def _job(pod: Object) -> str:
    name: str = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    return name
