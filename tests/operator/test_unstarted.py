# SPDX-License-Identifier: Apache-2.0
"""Pods that have a node and do not start: what a cluster tells in events only, and what is told of containers before ours."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene

from d4py_operator.cluster.store import trimmed
from d4py_operator.objects import stamp

CREATING = {"name": "d4py", "state": {"waiting": {"reason": "ContainerCreating"}}}
SECRET = [{"name": "login", "mountPath": "/login", "secret": {"name": "password"}}]


def placed(scene: Scene, ready: str = "False", **status: Any) -> Scene:
    """Have its pod on a node since now, with what it mounts there or not."""
    pod = scene.pod(
        phase="Pending",
        conditions=[
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(scene.now)},
            {"type": "PodReadyToStartContainers", "status": ready},
        ],
        **{"containerStatuses": [CREATING], **status},
    )
    pod["spec"] = {"nodeName": "node2"}
    trimmed(pod)  # as the operator keeps it
    return scene.settle()


def test_a_pod_that_waits_for_what_it_mounts_is_told_after_a_minute() -> None:
    """Variables that are missing are told otherwise."""
    spec: dict[str, Any] = {"graph": {"configMapRef": {"name": "files"}}, "volumes": SECRET, "checkpoint": KEPT}
    spec["envFrom"] = [{"secretRef": {"name": "variables"}}, {"configMapRef": {"name": "more"}}]
    scene = placed(Scene(**spec).settle())
    assert scene.says() == ("Starting", "Created")
    assert scene.again == 60

    scene.after(60)

    assert scene.says() == ("Starting", "NotStarted")
    assert scene.condition("Degraded") == ("True", "NotStarted")
    assert scene.status["message"] == (
        "pod demo-1-x has been on node2 for a minute, and what it mounts is not there yet"
        " (claim kept, ConfigMap files, Secret password): see kubectl describe pod demo-1-x"
    )
    assert scene.runs().says() == ("Running", "AsAsked")
    assert scene.condition("Degraded") == ("False", "AsAsked")


def test_one_that_mounts_nothing_is_told_too() -> None:
    scene = placed(Scene().settle(), containerStatuses=[]).after(60)

    assert scene.status["message"] == (
        "pod demo-1-x has been on node2 for a minute, and has not started: see kubectl describe pod demo-1-x"
    )


def test_an_image_may_take_its_time() -> None:
    """What is mounted is there, and containers are being made."""
    scene = placed(Scene(volumes=SECRET).settle(), "True").after(3600)

    assert scene.says() == ("Starting", "Created")
    assert scene.condition("Degraded")[0] == "False"


def test_what_is_put_before_our_container_may_take_its_time_too() -> None:
    running = [{"name": "fetch", "state": {"running": {}}}]
    scene = placed(Scene().settle(), "True", initContainerStatuses=running).after(3600)

    assert scene.says() == ("Starting", "Created")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("ImagePullBackOff", "ImagePull"),
        ("CreateContainerConfigError", "ConfigMissing"),
        ("CrashLoopBackOff", "NotStarted"),
    ],
)
def test_what_keeps_a_container_before_ours_is_told_at_once(word: str, reason: str) -> None:
    waiting = {"name": "istio-init", "state": {"waiting": {"reason": word, "message": "back-off"}}}
    scene = placed(Scene().settle(), "True", initContainerStatuses=[waiting])

    assert scene.says() == ("Starting", reason)
    assert scene.status["message"] == f"pod demo-1-x: {word}: back-off"


def test_one_that_failed_is_named() -> None:
    scene = Scene().settle()
    ended = {"terminated": {"exitCode": 7, "reason": "Error"}}
    scene.pod(
        phase="Failed",
        initContainerStatuses=[{"name": "istio-init", "state": ended}],
        containerStatuses=[{"name": "d4py", "state": {"waiting": {"reason": "PodInitializing"}}}],
    )
    scene.job_says("Failed", "Job has reached the specified backoff limit")

    scene.after(6)

    assert scene.says() == ("Failed", "PodFailed")
    assert scene.status["message"] == "its container istio-init exited with 7 before the run began"


def test_a_worker_that_does_not_start_degrades_ranks_that_do() -> None:
    scene = Scene(mapping="mpi", mpi={"ranks": 2, "launcher": "Native"}, checkpoint=KEPT).settle().runs()
    (driver,) = scene.pods
    placed(scene)
    scene.pods[0]["metadata"]["name"] = "demo-1-y"
    scene.pods[0]["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] = "1"
    scene.pods.append(driver)

    scene.after(60)

    assert scene.says() == ("Running", "NotStarted")
