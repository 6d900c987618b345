# SPDX-License-Identifier: Apache-2.0
"""Each way that a workflow can go: what is made, what is deleted, and what its status says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, last_word, workflow

from d4py.resources.policies import Backoff
from d4py_operator.desired import hindered, refused
from d4py_operator.stopping import delay


def test_a_new_workflow_gets_its_first_attempt() -> None:
    scene = Scene().settle()

    assert scene.made == ["Job/demo-1"]
    assert scene.says() == ("Starting", "Created")
    assert scene.status["attempts"] == 1


def test_the_attempt_is_in_the_status_before_anything_is_made() -> None:
    decision = Scene().look()

    assert decision.status is not None
    assert decision.status["lastAttempt"]["name"] == "demo-1"
    assert [thing["metadata"]["name"] for thing in decision.create] == ["demo-1"]


def test_an_operator_that_died_before_it_made_the_job_makes_it() -> None:
    scene = Scene()
    scene.look()
    scene.things.clear()  # as if nothing had been made

    scene.settle()

    assert scene.made == ["Job/demo-1", "Job/demo-1"]
    assert scene.status["attempts"] == 1


def test_a_run_goes_to_its_end() -> None:
    scene = Scene().settle().runs()
    assert scene.says() == ("Running", "AsAsked")
    assert (scene.status["ready"], scene.status["startTime"]) == ("1/1", "2026-05-01T12:00:00Z")
    assert scene.status["image"] == {"resolvedDigest": "registry.example/d4py@sha256:abc"}

    scene.ends(0, said=last_word(0, read=7, written=9, outputs=2))

    assert scene.says() == ("Succeeded", "Done")
    assert scene.condition("Complete") == ("True", "Done")
    assert scene.status["items"] == {"read": 7, "written": 9, "quarantined": 0, "outputs": 2}
    assert scene.status["completionTime"] == "2026-05-01T12:00:00Z"


def test_a_run_that_is_over_is_left_alone() -> None:
    scene = Scene().settle().runs().ends(0)
    scene.things.clear()

    scene.change(suspend=True).after(1e6)

    assert scene.made == ["Job/demo-1"]
    assert scene.says() == ("Succeeded", "Done")


@pytest.mark.parametrize(
    ("code", "said", "status", "expected"),
    [
        (2, None, {}, ("Failed", "InvalidGraph")),
        (2, {"world": True}, {}, ("Failed", "WorldSizeMismatch")),
        (3, {"failed_pe": "stack"}, {}, ("Failed", "PEFailed")),
        (4, None, {}, ("Succeeded", "Quarantined")),
        (5, None, {}, ("Failed", "Stopped")),
        (6, None, {}, ("Failed", "BooksDiffer")),
        (1, None, {}, ("Failed", "PodFailed")),
        (139, None, {}, ("Failed", "PodFailed")),
    ],
)
def test_an_exit_code_says_how_it_ended(
    code: int, said: dict[str, Any] | None, status: dict[str, Any], expected: tuple[str, str]
) -> None:
    word = last_word(code, **said) if said is not None else None
    scene = Scene().settle().runs().ends(code, said=word, **status)

    assert scene.says() == expected
    assert scene.status["lastAttempt"]["exitCode"] == code
    assert scene.status["lastAttempt"].get("failedPE") == (said or {}).get("failed_pe")


def test_memory_that_ran_out_is_told_as_that() -> None:
    scene = Scene().settle().runs().ends(137, reason="OOMKilled")

    assert scene.says() == ("Failed", "OutOfMemory")


def test_items_in_quarantine_degrade_a_run_that_is_done() -> None:
    scene = Scene().settle().runs().ends(4, said=last_word(4, quarantined=3))

    assert scene.condition("Degraded") == ("True", "Quarantined")
    assert scene.condition("Complete")[0] == "True"


def test_what_launches_ranks_may_have_another_exit_code_than_the_run() -> None:
    scene = (
        Scene(mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT)
        .settle()
        .runs()
        .ends(1, said=last_word(3, failed_pe="stack"))
    )

    assert scene.says() == ("Failed", "PEFailed")
    assert scene.status["lastAttempt"]["exitCode"] == 3


# --- again


def test_a_run_that_failed_is_tried_again_after_a_while() -> None:
    scene = Scene(runPolicy={"backoffLimit": 1}).settle().runs().ends(3)
    assert scene.says() == ("Pending", "Retrying")
    assert scene.again == 10

    scene.after(10)

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert scene.status["history"][0]["reason"] == "PEFailed"
    assert scene.status["lastAttempt"]["number"] == 2


def test_a_run_that_fails_too_often_has_failed() -> None:
    scene = Scene(runPolicy={"backoffLimit": 1}).settle().runs().ends(3).after(10).runs().ends(3)

    assert scene.says() == ("Failed", "BackoffLimit")
    assert scene.made == ["Job/demo-1", "Job/demo-2"]


@pytest.mark.parametrize("code", [2, 6])
def test_what_another_attempt_would_not_mend_is_not_tried_again(code: int) -> None:
    scene = Scene(runPolicy={"backoffLimit": 5}).settle().runs().ends(code)

    assert scene.says()[0] == "Failed"


def test_a_pod_that_had_to_leave_its_node_does_not_count() -> None:
    told: Any = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    scene = Scene().settle().runs().ends(5, **told)

    assert scene.says() == ("Pending", "Retrying")
    assert (scene.status["attempts"], scene.status.get("failures")) == (1, 0)
    scene.after(10)
    assert scene.made == ["Job/demo-1", "Job/demo-2"]


def test_a_new_attempt_waits_until_pods_of_the_one_before_are_gone() -> None:
    scene = Scene(runPolicy={"backoffLimit": 1}).settle().runs()
    scene.job_says("Failed")
    scene.now = scene.now.replace(second=30)
    scene.settle().after(60)
    assert scene.says() == ("Pending", "Waiting")

    scene.pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]


def test_waits_grow_up_to_a_limit() -> None:
    assert [delay(Backoff(), failures) for failures in (1, 2, 3, 10, 10_000)] == [10, 20, 40, 300, 300]
    assert delay(Backoff(initial_seconds=0), 5) == 0


def test_attempts_that_did_not_fail_make_the_wait_after_one_that_did_no_longer() -> None:
    scene = Scene(runPolicy={"backoffLimit": 5}).settle().runs()
    scene.workflow["status"]["attempts"] = 9  # of which eight ended for a checkpoint that was asked for

    assert scene.ends(3).again == 10


def test_the_history_keeps_ten_attempts() -> None:
    scene = Scene(runPolicy={"backoffLimit": 20, "backoff": {"initialSeconds": 0}}).settle()
    for _ in range(14):
        scene.runs().ends(3)
        scene.after(1)

    assert [attempt["number"] for attempt in scene.status["history"]] == list(range(5, 15))
    assert scene.status["lastAttempt"]["number"] == 15


def test_a_job_that_somebody_deleted_is_lost() -> None:
    scene = Scene().settle().runs()
    scene.things.clear()
    scene.settle()
    assert scene.says() == ("Stopping", "LostMapping")
    assert scene.status["message"] == "its pods are ending"

    scene.pods_go()

    assert scene.says() == ("Pending", "Retrying")
    assert scene.status["lastAttempt"]["reason"] == "LostMapping"


def test_the_end_of_a_job_waits_a_moment_for_news_of_its_pod() -> None:
    scene = Scene().settle()
    scene.job_says("Failed", "Job has reached the specified backoff limit")
    scene.settle()
    assert scene.says()[0] == "Starting"
    assert scene.again == 1

    scene.after(6)

    assert scene.says() == ("Failed", "PodFailed")


# --- suspend, deadlines, clean-up


def test_a_suspended_workflow_makes_nothing() -> None:
    scene = Scene(runPolicy={"suspend": True}).settle()

    assert scene.made == []
    assert scene.says() == ("Suspended", "Suspended")


def test_suspend_ends_the_attempt_and_resume_begins_another() -> None:
    scene = Scene().settle().runs().change(suspend=True)
    assert scene.says() == ("Suspending", "Suspended")
    assert scene.things == {}

    scene.pods_go()
    assert scene.says() == ("Suspended", "Suspended")
    assert scene.condition("Suspended") == ("True", "Suspended")

    scene.change(suspend=False)
    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert scene.condition("Suspended") == ("False", "Resumed")
    assert scene.status.get("failures") == 0


def test_a_run_that_ends_well_while_it_is_suspended_is_done() -> None:
    scene = Scene().settle().runs()
    scene.ends(0)

    scene.change(suspend=True)

    assert scene.says() == ("Succeeded", "Done")


def test_pods_are_deleted_at_the_end_where_that_is_asked_for() -> None:
    scene = Scene(runPolicy={"cleanPodPolicy": "All"}).settle().runs().ends(0)

    assert scene.things == {}
    assert scene.says() == ("Succeeded", "Done")


def test_a_workflow_is_deleted_when_its_time_is_over() -> None:
    scene = Scene(runPolicy={"ttlSecondsAfterFinished": 100}).settle().runs().ends(0)
    assert (scene.again, scene.gone) == (100, False)

    scene.now = scene.now.replace(minute=2)
    scene.look()

    assert (scene.gone, scene.again) == (True, None)


def test_a_workflow_that_somebody_else_acts_on_is_left_alone() -> None:
    scene = Scene(runPolicy={"managedBy": "kueue.x-k8s.io/multikueue"}).settle()

    assert (scene.made, scene.status) == ([], {})


def test_a_workflow_that_is_being_deleted_is_left_alone() -> None:
    thing = workflow()
    thing["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"

    assert Scene(thing).settle().made == []


# --- trouble


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ("ImagePullBackOff", "ImagePull"),
        ("ErrImageNeverPull", "ImagePull"),
        ("CreateContainerConfigError", "ConfigMissing"),
    ],
)
def test_what_keeps_a_pod_from_starting_is_told(waiting: str, reason: str) -> None:
    scene = Scene().settle()
    state = {"waiting": {"reason": waiting, "message": "not there"}}
    scene.pod(phase="Pending", containerStatuses=[{"name": "d4py", "state": state}])

    scene.settle()

    assert scene.says() == ("Starting", reason)
    assert scene.condition("Degraded") == ("True", reason)


def test_a_pod_that_only_waits_is_nothing_to_tell() -> None:
    scene = Scene().settle()
    scene.pod(phase="Pending")

    assert scene.look().status is None
    scene.runs()
    assert scene.status["lastAttempt"]["logsRef"] == "demo-1-x"


def test_a_pod_that_fits_nowhere_is_told() -> None:
    scene = Scene().settle()
    scene.pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}])

    assert scene.settle().says() == ("Starting", "Unschedulable")
    assert "0/3 nodes" in scene.status["message"]


def test_what_the_cluster_refuses_is_not_asked_again() -> None:
    scene = Scene()
    scene.look()
    scene.things.clear()
    decision = refused(scene.world(), "spec.template.spec.volumes[0].name: is not valid", scene.now)
    scene.workflow["status"] = decision.status
    made = list(scene.made)

    scene.after(3600)

    assert scene.made == made
    assert scene.condition("Accepted") == ("False", "Refused")
    assert "volumes[0].name" in scene.status["message"]


def test_a_status_that_was_lost_is_seen_anew() -> None:
    """So are children that an older operator has made."""
    scene = Scene().settle().runs()
    del scene.workflow["status"]

    scene.settle()

    assert scene.made == ["Job/demo-1"]
    assert scene.says() == ("Running", "AsAsked")
    assert scene.status["attempts"] == 1


def test_ranks_are_not_lost_because_their_kind_cannot_be_seen() -> None:
    scene = Scene(served=frozenset({"MPIJob"}), mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT).settle().runs()
    assert scene.says() == ("Running", "AsAsked")
    kept, scene.things = scene.things, {}
    scene.served = frozenset()

    scene.settle()
    assert scene.says() == ("Running", "MappingMissing")

    scene.things, scene.served = kept, frozenset({"MPIJob"})
    assert scene.settle().says() == ("Running", "AsAsked")
    assert scene.made == ["MPIJob/demo-1"]


def test_what_cannot_be_made_now_is_told_once() -> None:
    """A quota that is used up, say."""
    scene = Scene()
    scene.look()
    scene.things.clear()
    scene.workflow["status"] = hindered(scene.world(), "Forbidden: exceeded quota", scene.now).status
    assert scene.says() == ("Starting", "Refused")

    decision = scene.look()

    assert decision.status is None
    assert [thing["kind"] for thing in decision.create] == ["Job"]
    scene.settle()
    assert scene.says() == ("Starting", "Created")
