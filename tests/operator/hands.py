# SPDX-License-Identifier: Apache-2.0
"""A person at a real control plane without nodes: makes workflows, and sets by hand what kubelets would say of pods."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ApiError
from d4py_operator.cluster.kinds import KINDS, collection, place
from d4py_operator.objects import Key, Object, stamp

PATIENCE = 30.0
MERGE = "application/merge-patch+json"
KEPT = {"volume": {"claimName": "kept"}}  # what pods that share a run need
# Kubernetes looks again at a namespace that goes after half the time that its pods are given to end: two minutes, of ours.
HASTY = {"template": {"spec": {"terminationGracePeriodSeconds": 2}}}
SPEC: dict[str, Any] = {"image": "registry.example/d4py:1", "graph": {"module": "wordcount"}}


def eventually(look: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """Wait until something is so, and return it."""
    until = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < until, f"waited {within:g} s for {what}"
        time.sleep(0.03)
    return found


def await_gone(api: Api, namespace: str, within: float) -> None:
    """Wait until a namespace is no longer there; of one that stays, tell what Kubernetes says of it."""
    said: list[str] = []

    def gone() -> bool:
        query = {"fieldSelector": f"metadata.name={namespace}"}
        found = api.request("GET", "/api/v1/namespaces", query=query)["items"]
        said[:] = [each["message"] for thing in found for each in thing["status"].get("conditions", ())]
        return not found

    try:
        eventually(gone, f"{namespace} to go", within)
    except AssertionError as error:
        raise AssertionError(f"{error}: {said}") from None


class Hands:
    """Somebody who may do everything in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def key(self, kind: str, name: str) -> Key:
        return Key(kind, self.namespace, name)

    def make(self, kind: str, name: str, spec: Any, *, dry: bool = False, **metadata: Any) -> Object:
        """Create an object as it is given. Raises ApiError."""
        body = {
            "apiVersion": KINDS[kind].api_version,
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        query = {"fieldManager": "person", **({"dryRun": "All"} if dry else {})}
        made: Object = self.api.request("POST", collection(kind, self.namespace), query=query, body=body)
        return made

    def workflow(self, name: str, **spec: Any) -> Object:
        return self.make("Workflow", name, {**SPEC, **spec})

    def get(self, kind: str, name: str) -> Object:
        return self.api.get(self.key(kind, name))

    def there(self, kind: str, name: str) -> Object | None:
        try:
            return self.get(kind, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def all(self, kind: str) -> list[Object]:
        return self.api.list(kind, self.namespace)[0]

    def patch(self, kind: str, name: str, body: Any, *, part: str = "", dry: bool = False) -> Object:
        query = {"fieldManager": "person", **({"dryRun": "All"} if dry else {})}
        path = place(self.key(kind, name)) + (f"/{part}" if part else "")
        changed: Object = self.api.request("PATCH", path, query=query, body=body, content=MERGE)
        return changed

    def delete(self, kind: str, name: str) -> None:
        self.api.request("DELETE", place(self.key(kind, name)), body={"propagationPolicy": "Background"})

    def suspend(self, name: str, suspended: bool = True) -> None:
        self.patch("Workflow", name, {"spec": {"runPolicy": {"suspend": suspended}}})

    # --- what an operator says

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.get("Workflow", name).get("status") or {}
        return status

    def says(self, name: str) -> tuple[str, str]:
        status = self.status(name)
        return status.get("phase", ""), status.get("reason", "")

    def await_phase(self, name: str, phase: str) -> dict[str, Any]:
        """Wait until a workflow is in a phase; return its status."""
        eventually(lambda: self.says(name)[0] == phase, f"{name} to be {phase}, not {self.says(name)}")
        return self.status(name)

    # --- what kubelets would say

    def pods(self, job: str) -> list[Object]:
        """Return the pods of a Job that are not on their way out."""
        found = [pod for pod in self.pods_of(job) if not pod["metadata"].get("deletionTimestamp")]
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def pods_of(self, job: str) -> list[Object]:
        """Return the pods of a Job."""
        return self.api.list("Pod", self.namespace, f"batch.kubernetes.io/job-name={job}")[0]

    def pod(self, job: str) -> str:
        """Wait for the pod of a Job; return its name."""
        name: str = eventually(lambda: self.pods(job), f"a pod of {job}")[0]["metadata"]["name"]
        return name

    def runs(self, job: str) -> None:
        """Have the pod of a Job run."""
        state = {"running": {"startedAt": _now()}}
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": _now()}
        self._say(
            self.pod(job), phase="Running", startTime=_now(), conditions=[ready], containerStatuses=[_container(state)]
        )

    def ends(self, job: str, code: int = 0, *, said: Any = None, reason: str = "") -> None:
        """Have the pod of a Job end."""
        ended = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        if said is not None:
            ended["message"] = said if isinstance(said, str) else json.dumps({"d4py": 1, "exit_code": code, **said})
        phase = "Failed" if code else "Succeeded"
        self._say(self.pod(job), phase=phase, startTime=_now(), containerStatuses=[_container({"terminated": ended})])

    def lingers(self, job: str) -> None:
        """Have the process of a pod end well long ago, and a container that something put beside it run on."""
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": _now(), "finishedAt": "2026-01-01T00:00:00Z"}
        beside = {**_container({"running": {"startedAt": _now()}}), "name": "mesh"}
        status = [_container({"terminated": ended}), beside]
        self._say(self.pod(job), phase="Running", startTime=_now(), containerStatuses=status)

    def waits(self, job: str, reason: str, message: str = "") -> None:
        """Have the pod of a Job wait for something."""
        state = {"waiting": {"reason": reason, "message": message}}
        self._say(self.pod(job), phase="Pending", containerStatuses=[_container(state)])

    def _say(self, pod: str, **status: Any) -> None:
        self.patch("Pod", pod, {"status": status}, part="status")


def _now() -> str:
    return stamp(datetime.now(timezone.utc))


def _container(state: Any) -> Object:
    image = {"image": "registry.example/d4py:1", "imageID": "registry.example/d4py@sha256:abc"}
    return {"name": "d4py", **image, "ready": "running" in state, "restartCount": 0, "state": state}
