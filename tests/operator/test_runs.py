# SPDX-License-Identifier: Apache-2.0
"""Workflows on a real control plane, whose pods are played by hand: what the operator makes of them."""

from __future__ import annotations

import pytest
from tests.operator.hands import KEPT, Hands, eventually

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.store import Store
from d4py_operator.decision import Event
from d4py_operator.objects import Object, digest
from d4py_operator.reconcile import Reconciler

pytestmark = pytest.mark.usefixtures("operator")


def named(things: list[Object], start: str) -> list[str]:
    return [name for thing in things if (name := thing["metadata"]["name"]).startswith(start)]


def test_a_run_from_apply_to_succeeded(hands: Hands) -> None:
    hands.workflow("good", mapping="multi", parallelism={"processes": 2})
    hands.runs("good-1")
    hands.await_phase("good", "Running")
    hands.ends("good-1", said={"read": 7, "written": 9, "outputs": 2})

    status = hands.await_phase("good", "Succeeded")

    assert status["items"] == {"read": 7, "written": 9, "quarantined": 0, "outputs": 2}
    assert status["image"]["resolvedDigest"] == "registry.example/d4py@sha256:abc"
    job = hands.get("Job", "good-1")
    assert job["metadata"]["ownerReferences"][0]["name"] == "good"
    assert job["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_a_run_that_fails_is_tried_again_and_then_has_failed(hands: Hands) -> None:
    hands.workflow("bad", runPolicy={"backoffLimit": 1, "backoff": {"initialSeconds": 0}})
    hands.ends("bad-1", 3, said={"failed_pe": "stack", "error": "PE 'stack' raised"})
    hands.ends("bad-2", 3, said={"failed_pe": "stack", "error": "PE 'stack' raised again"})

    status = hands.await_phase("bad", "Failed")

    assert status["reason"] == "BackoffLimit"
    assert (status["lastAttempt"]["failedPE"], status["lastAttempt"]["exitCode"]) == ("stack", 3)
    assert [attempt["message"] for attempt in status["history"]] == ["PE 'stack' raised"]


def test_suspend_ends_its_pods_and_resume_begins_an_attempt(hands: Hands) -> None:
    hands.workflow("pause")
    hands.runs("pause-1")
    hands.await_phase("pause", "Running")

    hands.suspend("pause")
    hands.await_phase("pause", "Suspended")
    assert hands.there("Job", "pause-1") is None

    hands.suspend("pause", False)
    hands.ends("pause-2")
    assert hands.await_phase("pause", "Succeeded")["attempts"] == 2


def test_another_nonce_has_a_checkpoint_taken_and_the_run_goes_on(hands: Hands) -> None:
    hands.workflow("keeps", checkpoint=KEPT)
    hands.runs("keeps-1")
    hands.await_phase("keeps", "Running")

    hands.patch("Workflow", "keeps", {"spec": {"snapshotNonce": "one"}})
    hands.runs("keeps-2")
    hands.await_phase("keeps", "Running")
    hands.patch("Workflow", "keeps", {"spec": {"snapshotNonce": "two"}})
    hands.ends("keeps-3", said={"plan": {"count": 2}, "graph": "e2c985"})

    status = hands.await_phase("keeps", "Succeeded")
    assert (status["attempts"], status["failures"], status["snapshotNonce"]) == (3, 0, "two")
    assert [attempt["reason"] for attempt in status["history"]] == ["Snapshot", "Snapshot"]
    assert (status["plan"], status["graph"]) == ({"count": 2}, {"hash": "e2c985"})


def test_a_template_without_a_checkpoint_cannot_be_asked_for_one(hands: Hands) -> None:
    hands.make("WorkflowTemplate", "plain", {"image": "registry.example/d4py:9", "graph": {"module": "m"}})
    hands.make("Workflow", "asks", {"templateRef": {"name": "plain"}, "snapshotNonce": "1"})

    eventually(lambda: hands.says("asks") == ("Pending", "InvalidSpec"), "it to be told")

    assert hands.status("asks")["message"].startswith("spec.snapshotNonce: needs a checkpoint to go on from")
    hands.patch("Workflow", "asks", {"spec": {"snapshotNonce": None}})
    hands.pod("asks-1")


def test_a_template_of_several_pods_needs_a_folder_that_they_share(hands: Hands) -> None:
    ranks = {"mapping": "mpi", "mpi": {"ranks": 4, "slotsPerWorker": 2}}
    hands.make("WorkflowTemplate", "apart", {"image": "registry.example/d4py:9", "graph": {"module": "m"}, **ranks})
    hands.make("Workflow", "shares-not", {"templateRef": {"name": "apart"}})
    hands.make("Workflow", "shares", {"templateRef": {"name": "apart"}, "checkpoint": KEPT})

    eventually(lambda: hands.says("shares-not") == ("Pending", "InvalidSpec"), "it to be told")
    eventually(lambda: hands.there("MPIJob", "shares-1"), "the MPIJob of the other")

    assert hands.status("shares-not")["message"] == (
        "spec.checkpoint: is missing: ranks in 2 pods share the run's folder; give checkpoint.volume, or mpi.slotsPerWorker: 4"
    )


def test_deleting_a_workflow_deletes_what_it_made(hands: Hands) -> None:
    hands.workflow("gone", inputs={"inline": "{}"}, networkPolicy="Isolated")
    hands.runs("gone-1")
    hands.await_phase("gone", "Running")
    assert len(hands.all("NetworkPolicy")) == 1

    hands.delete("Workflow", "gone")

    eventually(
        lambda: not [kind for kind in ("Workflow", "Job", "Pod", "NetworkPolicy") if named(hands.all(kind), "gone")],
        "everything to be gone",
        within=90,
    )


def test_a_job_that_somebody_deletes_is_made_again_as_another_attempt(hands: Hands) -> None:
    hands.workflow("lost", runPolicy={"backoff": {"initialSeconds": 0}})
    hands.runs("lost-1")
    hands.await_phase("lost", "Running")

    hands.delete("Job", "lost-1")

    eventually(lambda: hands.there("Job", "lost-2"), "a second attempt")
    assert hands.status("lost")["history"][0]["reason"] == "LostMapping"


def test_a_run_whose_job_does_not_end_with_it_ends_without_it(hands: Hands) -> None:
    hands.workflow("stays")
    hands.runs("stays-1")
    hands.await_phase("stays", "Running")

    hands.lingers("stays-1")

    assert hands.await_phase("stays", "Succeeded")["lastAttempt"]["exitCode"] == 0
    eventually(lambda: not named(hands.all("Job"), "stays"), "its Job to be gone")


def test_an_image_that_cannot_be_pulled_is_told(hands: Hands) -> None:
    hands.workflow("pull", runPolicy={"startDeadlineSeconds": 10})
    hands.waits("pull-1", "ImagePullBackOff", "Back-off pulling image")
    eventually(lambda: hands.says("pull") == ("Starting", "ImagePull"), "the trouble to be told")

    status = hands.await_phase("pull", "Failed")

    assert status["reason"] == "StartDeadline"


def test_the_deadline_ends_a_run(hands: Hands) -> None:
    hands.workflow("late", runPolicy={"activeDeadlineSeconds": 2})
    hands.runs("late-1")

    status = hands.await_phase("late", "Failed")

    assert status["reason"] == "Deadline"
    assert hands.there("Job", "late-1") is None


def test_a_workflow_is_deleted_after_its_time(hands: Hands) -> None:
    hands.workflow("brief", runPolicy={"ttlSecondsAfterFinished": 1})
    hands.ends("brief-1")

    eventually(lambda: hands.there("Workflow", "brief") is None, "it to be deleted")


def test_ranks_without_an_mpi_operator(hands: Hands) -> None:
    hands.workflow("ranks", mapping="mpi", mpi={"ranks": 4, "slotsPerWorker": 2, "launcher": "Native"}, checkpoint=KEPT)

    job = eventually(lambda: hands.there("Job", "ranks-1"), "the Job")
    pods = eventually(lambda: len(found := hands.pods("ranks-1")) == 2 and found, "two pods")

    assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 2)
    assert job["spec"]["successPolicy"]["rules"] == [{"succeededIndexes": "0"}]
    assert {pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] for pod in pods} == {"0", "1"}
    (service,) = [each for each in hands.all("Service") if each["spec"]["clusterIP"] == "None"]
    assert pods[0]["spec"]["subdomain"] == service["metadata"]["name"]
    secret = hands.get("Secret", service["metadata"]["name"])
    assert sorted(secret["data"]) == ["authorized_keys", "id_rsa", "id_rsa.pub"]


def test_ranks_that_are_tried_again_find_each_other_by_the_same_service_and_with_the_same_keys(hands: Hands) -> None:
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    native = {"ranks": 2, "launcher": "Native"}
    uid = hands.workflow("anew", mapping="mpi", mpi=native, checkpoint=KEPT, runPolicy=policy)["metadata"]["uid"]
    name = f"anew-{digest(uid)[:5]}"
    hands.pod("anew-1")
    keys = hands.get("Secret", name)["data"]
    addressed(hands, "anew-1", "10.9.0")
    assert eventually(lambda: hostnames(hands, name), "their names") == {"anew-1-0": "10.9.0.1", "anew-1-1": "10.9.0.2"}

    hands.ends("anew-1", 3)
    eventually(lambda: hands.there("Job", "anew-2"), "another attempt")
    addressed(hands, "anew-2", "10.9.1")

    # The pod that has failed is still there.
    expected = {"anew-2-0": "10.9.1.1", "anew-2-1": "10.9.1.2"}
    eventually(lambda: hostnames(hands, name) == expected, "the names of those that are tried")
    assert hands.get("Secret", name)["data"] == keys
    beside = {kind: named(hands.all(kind), "anew-") for kind in ("Service", "Secret", "ConfigMap")}
    assert beside == {"Service": [name], "Secret": [name], "ConfigMap": []}


def addressed(hands: Hands, job: str, network: str) -> None:
    """Have two pods run, each with an address."""
    for number, pod in enumerate(eventually(lambda: len(found := hands.pods(job)) == 2 and found, "two pods"), 1):
        address = f"{network}.{number}"
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        hands.patch("Pod", pod["metadata"]["name"], {"status": status}, part="status")


def hostnames(hands: Hands, service: str) -> dict[str, str]:
    """Return which names a Service gives to which addresses; nothing before it has two."""
    path = f"/apis/discovery.k8s.io/v1/namespaces/{hands.namespace}/endpointslices"
    found = hands.api.request("GET", path, query={"labelSelector": f"kubernetes.io/service-name={service}"})["items"]
    endpoints = [each for slice_ in found for each in slice_.get("endpoints") or ()]
    names = {each["hostname"]: each["addresses"][0] for each in endpoints}
    assert len(names) == len(endpoints), endpoints
    return names if len(names) > 1 else {}


def test_ranks_with_an_mpi_operator(hands: Hands) -> None:
    hands.workflow("job", mapping="mpi", mpi={"ranks": 4, "slotsPerWorker": 2}, checkpoint=KEPT)

    job = eventually(lambda: hands.there("MPIJob", "job-1"), "the MPIJob")
    assert job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] == 2

    over = {"type": "Succeeded", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    over |= {"lastUpdateTime": "2026-01-01T00:00:00Z", "reason": "Done", "message": "done"}
    hands.patch("MPIJob", "job-1", {"status": {"conditions": [over], "replicaStatuses": {}}}, part="status")
    hands.await_phase("job", "Succeeded")


def test_a_template_gives_what_a_workflow_leaves_out(hands: Hands) -> None:
    hands.make("Workflow", "from-it", {"templateRef": {"name": "shared"}, "args": {"b": "own"}})
    eventually(lambda: hands.says("from-it") == ("Pending", "TemplateMissing"), "it to say what it lacks")

    spec = {
        "image": "registry.example/d4py:9",
        "graph": {"module": "m"},
        "mapping": "threads",
        "args": {"a": "1", "b": "2"},
    }
    hands.make("WorkflowTemplate", "shared", spec)

    job = eventually(lambda: hands.there("Job", "from-it-1"), "the Job")
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example/d4py:9"
    assert "--set=a=1 --set=b=own" in container["command"][2]
    assert hands.status("from-it")["mapping"] == "threads"


def test_a_job_of_another_with_the_same_name_is_left_alone(hands: Hands) -> None:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "mine", "image": "x"}]}}
    hands.make("Job", "taken-1", {"template": pod})
    hands.workflow("taken")

    eventually(lambda: hands.says("taken") == ("Pending", "Refused"), "it to be told")

    assert "taken-1" in hands.status("taken")["message"]
    assert "ownerReferences" not in hands.get("Job", "taken-1")["metadata"]


def test_what_the_cluster_refuses_is_told_with_its_path(hands: Hands) -> None:
    hands.workflow("odd", template={"labels": {"not a label": "x"}})

    eventually(lambda: hands.says("odd") == ("Pending", "Refused"), "it to be told")

    conditions = {each["type"]: each for each in hands.status("odd")["conditions"]}
    assert conditions["Accepted"]["status"] == "False"
    assert "spec.template.labels" in conditions["Accepted"]["message"]


def test_events_tell_what_happens(hands: Hands) -> None:
    made = hands.workflow("told")
    hands.ends("told-1")
    hands.await_phase("told", "Succeeded")

    def events() -> list[str]:
        ours = [each for each in hands.all("Event") if each["involvedObject"].get("uid") == made["metadata"]["uid"]]
        return sorted(each["reason"] for each in ours)

    eventually(lambda: {"Created", "Done"} <= set(events()), "events")


def test_an_event_that_was_told_before_the_operator_began_stays_one(api: Api, hands: Hands) -> None:
    made = hands.workflow("odd-event")
    event = Event(reason="Odd", message="it was seen")

    for _ in range(2):
        Reconciler(api, Store(), frozenset)._tell(made, event)

    assert [each["message"] for each in hands.all("Event") if each["reason"] == "Odd"] == ["it was seen"]


def test_fields_of_others_stay_where_the_operator_writes(hands: Hands) -> None:
    """Its status is applied server-side: it owns what it says, and nothing else."""
    hands.workflow("shared")
    hands.await_phase("shared", "Starting")
    hands.patch("Workflow", "shared", {"metadata": {"annotations": {"team": "seismology"}}})
    hands.ends("shared-1")
    hands.await_phase("shared", "Succeeded")

    metadata = hands.get("Workflow", "shared")["metadata"]

    assert metadata["annotations"] == {"team": "seismology"}
    applied = [each for each in metadata["managedFields"] if each["manager"] == "d4py-operator"]
    assert [(each["operation"], each["subresource"]) for each in applied] == [("Apply", "status")]
    assert set(applied[0]["fieldsV1"]) == {"f:status"}
