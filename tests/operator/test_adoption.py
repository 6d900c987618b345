# SPDX-License-Identifier: Apache-2.0
"""What an operator of an earlier commit left in a cluster is taken over: nothing is made twice, nothing is left over, and each run comes to its end."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.conftest import working
from tests.operator.hands import eventually
from tests.operator.mpi import mpi_operator
from tests.operator.stored.record import KINDS, MAPPINGS, PHASES, Recorder

from d4py_operator.cluster.api import Api
from d4py_operator.objects import Object, digest

STORED = Path(__file__).with_name("stored")
COMMITS = sorted(path.parent.name for path in STORED.glob("*/simple.json"))
STORIES = [(mapping, phase) for mapping in MAPPINGS for phase in PHASES]
_GIVEN = ("uid", "resourceVersion", "creationTimestamp", "generation", "namespace", "selfLink")
_OF_JOBS = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")


class Heir(Recorder):
    """Somebody who brings what was recorded into another cluster, where everything has another uid."""

    def __init__(self, api: Api, namespace: str) -> None:
        super().__init__(api, namespace)
        self.before: dict[
            str, tuple[dict[str, list[str]], dict[str, Any]]
        ] = {}  # what there was of each, and its status

    def bring(self, things: list[Object]) -> None:
        """Make a workflow and what it owns; those who own pods make them, and their states are set as recorded."""
        old = things[0]
        name, uid = old["metadata"]["name"], old["metadata"]["uid"]
        workflow = self.make("Workflow", name, old["spec"])
        new = workflow["metadata"]["uid"]
        text = json.dumps(things).replace(uid, new).replace('"default"', f'"{self.namespace}"')
        text = re.sub(rf"(?<![0-9a-z]){digest(uid)[:5]}(?![0-9a-z])", digest(new)[:5], text)
        for thing in json.loads(text):
            if [owner["uid"] for owner in thing["metadata"].get("ownerReferences", ())] == [new]:
                made = self._bring(thing)
                text = text.replace(thing["metadata"]["uid"], made["metadata"]["uid"])
        found = json.loads(text)
        for pod in sorted(
            (each for each in found if each["kind"] == "Pod"), key=lambda pod: "launcher" in pod["metadata"]["name"]
        ):
            self._becomes(pod)
        self.api.apply_status(self.get("Workflow", name), found[0]["status"])
        self.before[name] = self.inventory(name), self.status(name)

    def _bring(self, thing: Object) -> Object:
        body = json.loads(json.dumps(thing))
        body.pop("status", None)
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in _GIVEN}
        if body["kind"] == "Job":  # its selector is made anew
            del body["spec"]["selector"]
            for label in _OF_JOBS:
                body["spec"]["template"]["metadata"]["labels"].pop(label, None)
                body["metadata"]["labels"].pop(label, None)
        if body["kind"] == "Service":
            body["spec"].pop("clusterIPs", None)
        made: Object = self.api.create({**body, "metadata": {**body["metadata"], "namespace": self.namespace}})
        return made

    def _becomes(self, pod: Object) -> None:
        """Have the pod that takes a recorded one's place be in the same state."""
        labels = pod["metadata"]["labels"]
        job = labels.get("batch.kubernetes.io/job-name")
        index = int(labels.get("batch.kubernetes.io/job-completion-index", 0))
        if (job or "").endswith("-launcher"):
            self.leads(labels["d4py.dev/workflow"])
        if job is None:
            eventually(lambda: self.there("Pod", pod["metadata"]["name"]), f"the pod {pod['metadata']['name']}")
            name = pod["metadata"]["name"]
        else:
            name = eventually(lambda: self.pods(job)[index:], f"the pod {index} of {job}")[0]["metadata"]["name"]
        wanted = {key: value for key, value in pod["status"].items() if key != "qosClass"}
        self._say(name, **wanted)
        if wanted["phase"] in ("Succeeded", "Failed"):
            eventually(lambda: self._over(job or ""), f"{job} to be over")

    def _over(self, job: str) -> bool:
        kind, name = ("MPIJob", job.removesuffix("-launcher")) if job.endswith("-launcher") else ("Job", job)
        conditions = (self.get(kind, name).get("status") or {}).get("conditions", ())
        return any(
            each["type"] in ("Complete", "Succeeded", "Failed") and each["status"] == "True" for each in conditions
        )

    def inventory(self, name: str) -> dict[str, list[str]]:
        """Return the names of what is there for a workflow, but for pods."""
        return {
            kind: sorted(each["metadata"]["name"] for each in self.of(name, kind)) for kind in KINDS if kind != "Pod"
        }

    def strays(self, name: str) -> list[str]:
        """Return what is labelled as a workflow's and owned by something that is not there."""
        things = [each for kind in KINDS for each in self.of(name, kind)]
        there = {each["metadata"]["uid"] for each in (self.get("Workflow", name), *things, *self.all("Job"))}
        return [
            f"{each['kind']}/{each['metadata']['name']}"
            for each in things
            if not {owner["uid"] for owner in each["metadata"].get("ownerReferences", ())} & there
        ]


@pytest.fixture(scope="module", params=COMMITS)
def heir(defined: Cluster, api: Api, request: pytest.FixtureRequest) -> Iterator[Heir]:
    """Somebody in a namespace with all that was recorded; no operator has seen it before the one that is at work now."""
    name = f"old-{request.param}-{secrets.token_hex(3)}"
    api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    found = Heir(api, name)
    with mpi_operator(defined, name):
        for mapping, phase in STORIES:
            found.bring(json.loads((STORED / request.param / f"{mapping}.json").read_text())[phase])
        with working(str(defined.kubeconfig), name):
            yield found
    api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize(("mapping", "phase"), STORIES)
def test_a_run_is_taken_over_and_comes_to_its_end(heir: Heir, mapping: str, phase: str) -> None:
    name = f"{mapping}-{phase}"
    made, status = heir.before[name]
    attempt = 1
    match phase:
        case "starting":
            heir.ends(heir.running(name), 0)
        case "running":
            heir.ends(heir.leads(name), 0)
        case "retrying" | "suspended":
            attempt = 2
            if phase == "suspended":
                heir.suspend(name, False)
            heir.ends(heir.running(name, 2), 0)

    after = heir.await_phase(name, "Succeeded")

    assert after["attempts"] == attempt
    assert [each.get("reason") for each in after.get("history", ())] == {
        "retrying": ["PEFailed"], "suspended": ["Suspended"],
    }.get(phase, [])  # fmt: skip
    if phase == "succeeded":
        assert after == status
    now = heir.inventory(name)
    if attempt == 1:
        assert now == made
    of_all = f"{name}-{digest(heir.get('Workflow', name)['metadata']['uid'])[:5]}"
    for kind, names in now.items():
        further = [each for each in names if each not in made[kind]]
        assert all(each == of_all or each.startswith(f"{name}-2") for each in further), (kind, further)
        assert set(made[kind]) <= set(names)
    assert all(ref["name"] in now[ref["kind"]] for ref in after["mappingRefs"]), (after["mappingRefs"], now)
    assert heir.strays(name) == []


def test_nothing_is_left_when_they_are_deleted(heir: Heir) -> None:
    for name in heir.before:
        heir.delete("Workflow", name)

    def left() -> list[str]:
        return [
            f"{kind}/{each}" for name in heir.before for kind, names in heir.inventory(name).items() for each in names
        ]

    eventually(lambda: not left(), "everything to be gone", within=90)
