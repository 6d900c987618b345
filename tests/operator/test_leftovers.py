# SPDX-License-Identifier: Apache-2.0
"""Attempts whose work is done while their Job is not: the end of our own container is their end, and what still runs of them goes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, last_word

from d4py_operator.objects import stamp

NATIVE: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "Native"}, "checkpoint": KEPT}
MESH = {"name": "istio-proxy", "state": {"running": {}}}


def our_end(scene: Scene, code: int, phase: str = "Running", *beside: Any, **said: Any) -> Scene:
    """Have our container end now, and its Job say nothing."""
    word = json.dumps(last_word(code, **said))
    ended = {"exitCode": code, "finishedAt": stamp(scene.now), "message": word}
    ours = {"name": "d4py", "state": {"terminated": ended}}
    scene.pod(phase=phase, startTime=stamp(scene.now), containerStatuses=[ours, *beside])
    return scene.settle()


@pytest.mark.parametrize(
    ("spec", "phase", "beside"),
    [({}, "Running", [MESH]), (NATIVE, "Succeeded", [])],
    ids=["a mesh stays", "workers serve on"],
)
def test_a_run_is_done_a_minute_after_its_own_process(spec: dict[str, Any], phase: str, beside: list[Any]) -> None:
    scene = our_end(Scene(**spec).settle().runs(), 0, phase, *beside, read=7)
    assert (scene.says(), scene.again) == (("Running", "AsAsked"), 60)

    scene.after(60)

    assert scene.says() == ("Succeeded", "Done")
    assert scene.status["items"]["read"] == 7
    assert not [key for key in scene.things if key.kind == "Job"]


def test_a_job_that_says_so_itself_is_left_with_its_logs() -> None:
    scene = our_end(Scene(**NATIVE).settle().runs(), 0, "Succeeded").after(59)
    scene.job_says("Complete")

    assert scene.settle().says() == ("Succeeded", "Done")
    assert scene.job["metadata"]["name"] == "demo-1"


def test_one_that_failed_is_tried_again_when_what_it_left_is_gone() -> None:
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = our_end(Scene(runPolicy=policy).settle().runs(), 3, "Running", MESH, failed_pe="stack").after(60)
    assert scene.says() == ("Pending", "Waiting")
    assert scene.things == {}

    scene.pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert scene.status["history"][0]["failedPE"] == "stack"


@pytest.mark.parametrize("change", [{"suspend": True}, {"suspend": False}], ids=["suspended", "snapshot"])
def test_what_is_asked_of_a_run_that_has_just_ended_does_not_have_it_run_again(change: dict[str, bool]) -> None:
    scene = our_end(Scene(checkpoint=KEPT).settle().runs(), 0, "Running", MESH)
    if not change["suspend"]:
        scene.workflow["spec"]["snapshotNonce"] = "1"
    scene.change(**change).after(60)

    assert scene.says() == ("Succeeded", "Done")
    assert (scene.made, scene.things) == (["Job/demo-1"], {})


def test_nor_is_a_checkpoint_made_of_one_that_has_just_failed() -> None:
    scene = our_end(Scene(checkpoint=KEPT).settle().runs(), 3, "Running", MESH)

    scene.workflow["spec"]["snapshotNonce"] = "1"

    assert scene.settle().after(60).says() == ("Failed", "PEFailed")


def test_what_is_over_stays_until_the_run_is_where_all_is_to_go() -> None:
    policy = {"cleanPodPolicy": "All", "backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(runPolicy=policy).settle().runs().ends(3).pods_go()
    assert [key.name for key in scene.things] == ["demo-1", "demo-2"]

    assert scene.runs().ends(0).things == {}


@pytest.mark.parametrize("policy", [{}, {"cleanPodPolicy": "All"}])
def test_an_operator_that_died_before_it_deleted_the_job_deletes_it(policy: dict[str, str]) -> None:
    scene = our_end(Scene(runPolicy=policy).settle().runs(), 0, "Running", MESH)
    job = dict(scene.things)
    scene.after(60)
    scene.things |= job

    deleted = scene.look().delete

    assert [deletion.key.name for deletion in deleted] == ["demo-1"]
    assert scene.settle().things == {}


def test_of_several_jobs_only_that_of_the_newest_attempt_goes_on() -> None:
    """One that an operator made and did not live to see, and that was suspended meanwhile."""
    scene = Scene()
    scene.look()
    made = dict(scene.things)
    scene.things.clear()
    scene.change(suspend=True)
    assert scene.says() == ("Suspended", "Suspended")

    scene.things |= made

    assert scene.change(suspend=False).made == ["Job/demo-1", "Job/demo-2"]
    assert [key.name for key in scene.things] == ["demo-2"]


def test_what_a_queue_takes_back_is_not_at_its_end() -> None:
    """Its pod ends with a checkpoint, and may be seen for a while."""
    scene = Scene(scheduling={"queueName": "night"}, checkpoint=KEPT).settle()
    scene.job["spec"]["suspend"] = False
    scene.settle().runs()
    scene.job["spec"]["suspend"] = True

    our_end(scene, 5, "Failed").after(3600)

    assert scene.says() == ("Queued", "Queued")
    assert scene.made == ["Job/demo-1"]
