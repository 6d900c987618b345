# SPDX-License-Identifier: Apache-2.0
"""Pods that a cluster has lost sight of, and ranks that lost one of theirs."""

from __future__ import annotations

import copy

from tests.operator.scene import Scene

from d4py_operator.cluster.store import trimmed
from d4py_operator.objects import stamp

SHARED = {"volume": {"claimName": "runs"}}


def test_a_node_that_does_not_answer_is_told_and_its_pod_waited_for() -> None:
    """The cluster says that the pod is not ready; of its containers it knows what it last heard."""
    scene = Scene().settle().runs()
    conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    pod = scene.pod(phase="Running", startTime=stamp(scene.now), conditions=conditions)
    pod["spec"] = {"nodeName": "node2"}
    trimmed(pod)  # as the operator keeps it

    scene.after(3600)

    assert scene.says() == ("Running", "NodeLost")
    assert scene.condition("Degraded") == ("True", "NodeLost")
    assert "its node node2 does not answer" in scene.status["message"]
    assert scene.made == ["Job/demo-1"]


def test_ranks_that_lose_a_worker_to_an_eviction_have_not_failed() -> None:
    scene = Scene(mapping="mpi", mpi={"ranks": 2}, checkpoint=SHARED, served=frozenset({"MPIJob"})).settle().runs()
    worker = copy.deepcopy(scene.pods[0])
    worker["metadata"]["name"] = "demo-1-worker-1"
    worker["metadata"]["labels"] |= {"d4py.dev/role": "worker", "batch.kubernetes.io/job-completion-index": "1"}
    worker["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    scene.pods.append(worker)

    scene.ends(1)

    assert scene.status["lastAttempt"]["reason"] == "Evicted"
    assert scene.status.get("failures", 0) == 0


def test_a_pod_that_was_told_to_leave_and_is_gone_before_anybody_looks_has_not_failed() -> None:
    """An operator on the same node moves, too."""
    scene = Scene(checkpoint=SHARED).settle().runs()
    scene.pods.clear()
    scene.job_says("Failed", "Pod lab/demo-1-x has condition DisruptionTarget", "PodFailurePolicy")

    scene.after(10).after(60)

    assert scene.status["lastAttempt"]["name"] == "demo-2"
    assert [attempt["reason"] for attempt in scene.status["history"]] == ["Evicted"]
    assert scene.status.get("failures", 0) == 0


def test_a_pod_that_ends_a_moment_before_its_job_changes_nothing() -> None:
    scene = Scene().settle().runs()
    began = len(scene.events)
    ended = {"exitCode": 0, "reason": "Completed"}
    scene.pod(phase="Succeeded", startTime=stamp(scene.now), containerStatuses=[{"state": {"terminated": ended}}])

    scene.settle()
    assert scene.says() == ("Running", "AsAsked")
    scene.job_says("Complete")
    scene.settle()

    assert scene.says() == ("Succeeded", "Done")
    assert scene.events[began:] == ["Done"]


def test_pods_that_nobody_makes_are_told_of() -> None:
    """A quota refuses pods, not Jobs: only events of the Job say so."""
    scene = Scene().settle()
    assert scene.after(19).says() == ("Starting", "Created")
    assert scene.again == 1

    scene.after(1)

    assert scene.says() == ("Starting", "PodsMissing")
    assert scene.condition("Degraded") == ("True", "PodsMissing")
    assert scene.status["message"] == "Job demo-1 has 0 of 1 pods: see kubectl describe job demo-1, a quota perhaps"
    assert scene.warnings == ["PodsMissing"]
    assert scene.runs().says() == ("Running", "AsAsked")


def test_an_mpi_job_without_pods_asks_for_the_mpi_operator() -> None:
    scene = Scene(served=frozenset({"MPIJob"}), mapping="mpi", mpi={"ranks": 4, "slotsPerWorker": 4}).settle()

    scene.after(20)

    assert scene.status["message"].startswith("MPIJob demo-1 has 0 of 1 pods: see whether the MPI Operator runs, and ")


def test_a_run_that_waits_in_a_queue_lacks_no_pods() -> None:
    scene = Scene(scheduling={"queueName": "nightly"}).settle()

    scene.after(3600)

    assert scene.says() == ("Queued", "Queued")
    assert scene.condition("Degraded") == ("False", "AsAsked")


def test_as_many_processes_are_ready_as_their_pod_has() -> None:
    scene = Scene(mapping="multi", parallelism={"processes": 4}).settle()
    assert scene.status["workers"] == {"desired": 4, "ready": 0}

    scene.runs()

    assert scene.status["workers"] == {"desired": 4, "ready": 4}
