# SPDX-License-Identifier: Apache-2.0
"""A workflow and what is around it, as plain data: decisions are carried out on it, and what a cluster would do is done by hand."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import Any

from d4py.resources.status import REASONS
from d4py_operator.decision import Decision
from d4py_operator.desired import World, desired
from d4py_operator.objects import Key, Object, key_of, stamp
from d4py_operator.summary import Summary

BEGIN = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
KEPT = {"volume": {"claimName": "kept"}}
SPEC: dict[str, Any] = {"image": "registry.example/d4py:1", "graph": {"module": "wordcount"}}


def workflow(**spec: Any) -> Object:
    """Return a workflow of this spec."""
    return {
        "apiVersion": "d4py.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "demo", "namespace": "lab", "uid": "w-1", "generation": 1, "resourceVersion": "1"},
        "spec": {**copy.deepcopy(SPEC), **spec},
    }


class Scene:
    """One workflow; `look` decides about it and does what is decided."""

    def __init__(self, thing: Object | None = None, *, served: frozenset[str] = frozenset(), **spec: Any) -> None:
        self.workflow = thing or workflow(**spec)
        self.template: Object | None = None
        self.served = served
        self.things: dict[Key, Object] = {}
        self.pods: list[Object] = []
        self.now = BEGIN
        self.made: list[str] = []  # everything that was ever made
        self.gone = False
        self.events: list[str] = []
        self.warnings: list[str] = []
        self.again: float | None = None
        self.progress: Summary | None = None

    # --- deciding

    def world(self) -> World:
        children = [thing for key, thing in self.things.items() if key.kind in ("Job", "MPIJob")]
        return World(
            workflow=copy.deepcopy(self.workflow),
            template=self.template,
            children=copy.deepcopy(children),
            pods=copy.deepcopy(self.pods),
            served=self.served,
            progress=self.progress,
        )

    def look(self) -> Decision:
        """Decide once and do it."""
        decision = desired(self.world(), self.now)
        if decision.status is not None:
            told = [decision.status.get("reason"), *(each["reason"] for each in decision.status.get("conditions", ()))]
            assert {*told} <= {None, *REASONS}, "the definitions refuse another"
            self.workflow["status"] = copy.deepcopy(decision.status)
        self.events += [event.reason for event in decision.events]
        self.warnings += [event.reason for event in decision.events if event.warning]
        for deletion in decision.delete:
            self._delete(deletion.key)
        for thing in (*decision.apply, *decision.create):
            key = key_of(thing)
            if key not in self.things:
                self.made.append(f"{key.kind}/{key.name}")
            made = copy.deepcopy(thing)
            made["metadata"] |= {"uid": f"uid-of-{key.name}", "creationTimestamp": stamp(self.now)}
            self.things[key] = made
        self.again = decision.again
        return decision

    def settle(self) -> Scene:
        """Decide until nothing is left to decide."""
        for _ in range(10):
            decision = self.look()
            if not (decision.status or decision.delete or decision.create or decision.apply):
                return self
        raise AssertionError(f"it never settles: {decision}")

    def after(self, seconds: float) -> Scene:
        """Let time go by, and decide."""
        self.now += timedelta(seconds=seconds)
        return self.settle()

    def _delete(self, key: Key) -> None:
        if key.kind == "Workflow":
            self.gone = True
        elif self.things.pop(key, None):
            for pod in self.pods:
                pod["metadata"]["deletionTimestamp"] = stamp(self.now)

    # --- what a cluster does

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.workflow.get("status", {})
        return status

    def says(self) -> tuple[str, str]:
        """Return phase and reason."""
        return self.status.get("phase", ""), self.status.get("reason", "")

    def condition(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition."""
        found = {each["type"]: (each["status"], each["reason"]) for each in self.status.get("conditions", [])}
        return found.get(kind, ("", ""))

    @property
    def job(self) -> Object:
        """The newest Job or MPIJob."""
        found = [thing for key, thing in self.things.items() if key.kind in ("Job", "MPIJob")]
        return max(found, key=lambda thing: int(thing["metadata"]["labels"]["d4py.dev/attempt"]))

    def pod(self, **status: Any) -> Object:
        """Have a pod of the newest Job, in this state."""
        job = self.job
        template = job["spec"].get("template") or job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
        made: Object = {
            "kind": "Pod",
            "metadata": {
                "name": f"{job['metadata']['name']}-x",
                "namespace": "lab",
                "labels": dict(template["metadata"]["labels"]),
                "creationTimestamp": stamp(self.now),
            },
            "status": status,
        }
        made["metadata"]["labels"].update({"batch.kubernetes.io/job-completion-index": "0"})
        self.pods = [pod for pod in self.pods if pod["metadata"]["name"] != made["metadata"]["name"]]
        self.pods.append(made)
        return made

    def runs(self) -> Scene:
        """Have its pod run."""
        self.pod(
            phase="Running",
            startTime=stamp(self.now),
            conditions=[{"type": "Ready", "status": "True"}],
            containerStatuses=[
                {"name": "d4py", "imageID": "registry.example/d4py@sha256:abc", "state": {"running": {}}}
            ],
        )
        return self.settle()

    def ends_pod(self, code: int, *, said: Any = None) -> Scene:
        """Have the pod of a Job that is gone end."""
        ended = {"exitCode": code, **({"message": json.dumps(said)} if said is not None else {})}
        (pod,) = self.pods
        pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": "d4py", "state": {"terminated": ended}}]}
        return self.settle()

    def ends(self, code: int, *, said: Any = None, reason: str = "Error", **status: Any) -> Scene:
        """Have its pod end with this exit code, and its Job after it."""
        ended = {"exitCode": code, "reason": reason, "finishedAt": stamp(self.now)}
        ended |= {"message": json.dumps(said)} if said is not None else {}
        self.pod(
            phase="Failed" if code else "Succeeded",
            startTime=stamp(self.now),
            containerStatuses=[{"name": "d4py", "imageID": "", "state": {"terminated": ended}}],
            **status,
        )
        self.job_says("Failed" if code else "Complete")
        return self.settle()

    def job_says(self, kind: str, message: str = "", reason: str = "") -> None:
        """Have the newest Job say that it is over."""
        over = {
            "type": kind,
            "status": "True",
            "message": message,
            "reason": reason,
            "lastTransitionTime": stamp(self.now),
        }
        self.job["status"] = {"conditions": [over]}

    def pods_go(self) -> Scene:
        """Have all pods gone."""
        self.pods = []
        return self.settle()

    def change(self, **policy: Any) -> Scene:
        """Change the run policy."""
        self.workflow["spec"].setdefault("runPolicy", {}).update(policy)
        self.workflow["metadata"]["generation"] += 1
        return self.settle()


def last_word(code: int, **more: Any) -> dict[str, Any]:
    """Return what d4py run leaves at its end."""
    return {"d4py": 1, "exit_code": code, **more}
