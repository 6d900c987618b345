# SPDX-License-Identifier: Apache-2.0
"""Runs whose kind a cluster no longer has, as where the MPI Operator is uninstalled: what is lost is tried again, what may be there is waited for, and can be ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.hands import Hands, eventually
from tests.operator.scene import KEPT, Scene

from d4py_operator.cluster.api import Api
from d4py_operator.objects import Key, Object
from d4py_operator.operator import Operator

SERVED = frozenset({"MPIJob"})
NATIVE = ["Service/demo-c3b5f", "Secret/demo-c3b5f", "Job/demo-2"]
LAUNCHERS = pytest.mark.parametrize("launcher", ["Auto", "MPIJob"])


def ranks(launcher: str = "Auto", **policy: Any) -> Scene:
    """Return ranks whose first attempt is an MPIJob."""
    asked = {"ranks": 2, "launcher": launcher}
    return Scene(served=SERVED, mapping="mpi", mpi=asked, checkpoint=KEPT, runPolicy=policy)


@pytest.fixture(params=["known", "unknown"])
def known(request: pytest.FixtureRequest) -> bool:
    """Whether the operator has seen the MPIJob before its kind went, or has begun only since."""
    return bool(request.param == "known")


def bereft(known: bool, pods: bool = False, **policy: Any) -> Scene:
    """Return ranks that run, of which the cluster has lost the kind, and the pods too where that is not said."""
    scene = ranks(**policy).settle().runs()
    scene.served = frozenset()
    if not known:
        scene.things = {}
    if not pods:
        scene.pods = []
    scene.settle()
    assert scene.says() == ("Running", "MappingMissing")
    return scene


def test_they_can_be_suspended(known: bool) -> None:
    scene = bereft(known).change(suspend=True)

    assert scene.says() == ("Suspended", "Suspended")
    assert scene.change(suspend=False).made == ["MPIJob/demo-1", *NATIVE]


def test_their_deadline_ends_them(known: bool) -> None:
    scene = bereft(known, activeDeadlineSeconds=60)
    assert scene.again == 60

    assert scene.after(60).says() == ("Failed", "Deadline")


def test_their_pods_are_waited_for(known: bool) -> None:
    """Nobody deletes them: those who would are away."""
    scene = bereft(known, pods=True).change(suspend=True)
    assert scene.says() == ("Suspending", "Suspended")
    assert scene.status["message"] == "this cluster has no MPIJob at the moment: its pods are waited for"

    assert scene.change(suspend=False).says() == ("Running", "MappingMissing"), "they ran on"
    assert scene.change(suspend=True).pods_go().says() == ("Suspended", "Suspended")


@pytest.mark.parametrize("suspended", [False, True])
def test_when_the_kind_is_back_what_was_ended_goes_and_what_was_not_goes_on(suspended: bool) -> None:
    scene = ranks().settle().runs()
    kept, scene.things, scene.served = scene.things, {}, frozenset[str]()
    pods, scene.pods = scene.pods, []
    scene.settle().change(suspend=suspended)

    scene.things, scene.served, scene.pods = kept, SERVED, pods
    scene.settle()

    assert bool(scene.things) is not suspended
    assert scene.status["phase"] == ("Suspended" if suspended else "Running")


@LAUNCHERS
def test_what_was_seen_to_go_with_its_definition_is_lost_and_another_attempt_goes_on(launcher: str) -> None:
    """Whoever deletes a definition deletes all of its kind: that comes first."""
    scene = ranks(launcher).settle().runs()
    scene.things = {}
    assert scene.settle().says() == ("Stopping", "LostMapping")

    scene.served = frozenset()
    scene.settle()
    assert scene.says() == ("Stopping", "LostMapping")
    assert scene.status["message"] == "this cluster has no MPIJob at the moment: its pods are waited for"
    scene.pods_go().after(10)

    assert scene.status.get("failures", 0) == 0
    if launcher == "Auto":
        assert scene.made == ["MPIJob/demo-1", *NATIVE]
        return
    assert scene.says() == ("Pending", "MappingMissing")
    scene.served = SERVED
    assert scene.settle().runs().says() == ("Running", "AsAsked")
    assert scene.made == ["MPIJob/demo-1", "MPIJob/demo-2"]


def unmade(launcher: str) -> Scene:
    """Return ranks whose MPIJob was about to be made when its kind went."""
    scene = ranks(launcher)
    scene.look()
    scene.things, scene.made, scene.served = {}, [], frozenset()
    return scene


def test_what_was_not_made_yet_is_made_of_what_there_is() -> None:
    scene = unmade("Auto").settle()

    assert scene.made[-1] == "Job/demo-1"
    assert scene.runs().says() == ("Running", "AsAsked")


def test_what_asks_for_the_kind_waits_for_it() -> None:
    scene = unmade("MPIJob").settle()
    assert (scene.says(), scene.made) == (("Pending", "MappingMissing"), [])

    scene.served = SERVED

    assert scene.settle().made == ["MPIJob/demo-1"]


@pytest.mark.parametrize("sign", ["the MPIJob", "a pod"])
def test_nothing_is_made_beside_what_may_be_there(sign: str) -> None:
    """An operator that dies before it notes what it has made knows it by its answer, or by its pods."""
    scene = ranks()
    scene.look()
    if sign == "a pod":
        scene.pod(phase="Running")
        scene.things = {}
    scene.served = frozenset()

    assert scene.settle().says() == ("Starting", "MappingMissing")
    assert scene.made == ["MPIJob/demo-1"]


def test_nor_beside_what_a_lost_status_told_of() -> None:
    scene = ranks().settle().runs()
    del scene.workflow["status"]
    scene.served = frozenset()

    scene.settle()

    assert (scene.status["attempts"], scene.status["reason"]) == (1, "MappingMissing")
    assert scene.made == ["MPIJob/demo-1"]


def test_nothing_is_deleted_while_nobody_would_hear_of_it() -> None:
    """What is told to go is noted as going: it would not be told again."""
    scene = ranks(cleanPodPolicy="All").settle().runs()
    scene.served = frozenset()
    scene.pods = []
    scene.settle().change(suspend=True).change(suspend=False)
    assert "MPIJob" in {key.kind for key in scene.things}

    scene.served = SERVED

    scene.settle()
    assert {key.kind for key in scene.things} == {"Service", "Secret", "Job"}


# --- on a real control plane

CRD = "crd/mpijobs.kubeflow.org"
BACK = 60.0  # seconds: one that has been away is asked for every half minute


class Definition:
    """The cluster's definition of MPIJobs, as somebody changes it."""

    def __init__(self, cluster: Cluster, api: Api) -> None:
        self._cluster, self._api = cluster, api

    def restore(self) -> None:
        """Have it there and served."""
        crd = str(self._cluster.programs / "mpijobs.yaml")
        self._cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", crd)
        eventually(lambda: self._api.serves("MPIJob"), "MPIJobs to be served")

    @contextmanager
    def deleted(self) -> Iterator[None]:
        """Have it deleted meanwhile, and with it all MPIJobs."""
        try:
            self._cluster.kubectl("delete", CRD)
            yield
        finally:
            self.restore()

    @contextmanager
    def unserved(self) -> Iterator[None]:
        """Have the API server know nothing of MPIJobs meanwhile, which stay."""
        change = [{"op": "replace", "path": "/spec/versions/0/served", "value": False}]
        try:
            self._cluster.kubectl("patch", CRD, "--type=json", "-p", json.dumps(change))
            yield
        finally:
            self.restore()


LAUNCHER = {"spec": {"restartPolicy": "Never", "containers": [{"name": "launcher", "image": "x"}]}}


def reference(owner: Object, version: str) -> Object:
    metadata = owner["metadata"]
    return {"apiVersion": version, "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}


def await_collected(hands: Hands) -> None:
    """Wait until Kubernetes deletes an MPIJob whose owner is gone."""
    name = f"owned-{secrets.token_hex(3)}"
    owner = hands.api.create({"kind": "ConfigMap", "metadata": {"name": name, "namespace": hands.namespace}})
    hands.make(
        "MPIJob",
        name,
        {"mpiReplicaSpecs": {"Launcher": {"template": LAUNCHER}}},
        ownerReferences=[reference(owner, "v1")],
    )
    hands.delete("ConfigMap", name)
    eventually(lambda: hands.there("MPIJob", name) is None, "MPIJobs to be collected", 90)


@pytest.fixture(scope="module")
def definition(defined: Cluster, hands: Hands) -> Iterator[Definition]:
    """It, back in the end. Kubernetes looks for kinds every half minute: before that it does not delete what MPIJobs own."""
    await_collected(hands)
    found = Definition(defined, hands.api)
    try:
        yield found
    finally:
        found.restore()
    await_collected(hands)


def run(hands: Hands, name: str, launcher: str = "Auto") -> Object:
    """Have ranks run; return their MPIJob. What the MPI Operator would make is made by hand."""
    hands.workflow(
        name,
        mapping="mpi",
        mpi={"ranks": 2, "slotsPerWorker": 2, "launcher": launcher},
        checkpoint=KEPT,
        runPolicy={"backoff": {"initialSeconds": 0}},
    )
    made: Object = eventually(lambda: hands.there("MPIJob", f"{name}-1"), "the MPIJob")
    labels = made["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["metadata"]["labels"]
    job = f"{name}-1-launcher"
    owner = [reference(made, "kubeflow.org/v2beta1")]
    accounts = f"/api/v1/namespaces/{hands.namespace}/serviceaccounts"
    eventually(lambda: hands.api.request("GET", accounts)["items"], "the account of pods")
    hands.make(
        "Pod", job, LAUNCHER["spec"], labels={**labels, "batch.kubernetes.io/job-name": job}, ownerReferences=owner
    )
    hands.runs(job)
    hands.await_phase(name, "Running")
    return made


def test_ranks_whose_definition_is_deleted_are_lost_and_go_on_by_what_there_is(
    hands: Hands, operator: Operator, definition: Definition
) -> None:
    run(hands, "auto")
    run(hands, "asks", "MPIJob")

    with definition.deleted():
        eventually(lambda: not operator.served(), "it to be noticed")
        eventually(lambda: hands.there("Job", "auto-2"), "an attempt without the MPI Operator")
        eventually(lambda: hands.says("asks") == ("Pending", "MappingMissing"), "the other to wait")
        assert operator.unready() == ""
    eventually(lambda: hands.there("MPIJob", "asks-2"), "the other to go on", BACK)

    for name in ("auto", "asks"):
        status = hands.status(name)
        assert [each["reason"] for each in status["history"]] == ["LostMapping"]
        assert (status["attempts"], status.get("failures", 0)) == (2, 0)


def test_ranks_whose_kind_is_not_served_for_a_while_are_waited_for(
    hands: Hands, operator: Operator, definition: Definition
) -> None:
    eventually(operator.served, "what was there before to be back", BACK)
    made = run(hands, "briefly")
    key = Key("MPIJob", hands.namespace, "briefly-1")

    with definition.unserved():
        eventually(lambda: hands.says("briefly") == ("Running", "MappingMissing"), "it to be noticed")
        hands.workflow("meanwhile", mapping="mpi", mpi={"ranks": 2, "slotsPerWorker": 2}, checkpoint=KEPT)
        eventually(lambda: hands.there("Job", "meanwhile-1"), "one without the MPI Operator")
        assert operator.store.get(key) is not None
    eventually(lambda: hands.says("briefly")[1] != "MappingMissing", "it to go on", BACK)

    assert hands.says("briefly")[0] == "Running"
    assert hands.get("MPIJob", "briefly-1")["metadata"]["uid"] == made["metadata"]["uid"]
    assert hands.status("briefly")["attempts"] == 1
