# SPDX-License-Identifier: Apache-2.0
"""Whose word counts: that of the pods of an attempt, and in them that of the container that is ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, last_word

from d4py_operator.summary import Summary


def test_an_attempt_whose_pod_is_gone_does_not_end_with_the_word_of_the_one_before() -> None:
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(checkpoint=KEPT, runPolicy=policy).settle().runs()
    scene.ends(3, said=last_word(3, read=100, checkpoint=5)).runs()
    scene.progress = Summary(read=900, checkpoint=9)
    scene.settle()
    scene.pods = [pod for pod in scene.pods if pod["metadata"]["name"] == "demo-1-x"]

    scene.job_says("Failed")
    scene.after(10)

    assert scene.says() == ("Failed", "BackoffLimit")
    assert scene.status["items"]["read"] == 900
    assert scene.status["checkpoint"]["sequence"] == 9


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "d4py"),
        ({"mapping": "multi", "parallelism": {"processes": 2}}, "d4py"),
        ({"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "Native"}, "checkpoint": KEPT}, "d4py"),
        ({"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "MPIJob"}, "checkpoint": KEPT}, "launcher"),
    ],
)
def test_what_is_put_beside_our_container_does_not_say_how_a_run_ended(spec: dict[str, Any], name: str) -> None:
    """A mesh puts a container of its own into every pod; a kubelet lists them by name."""
    scene = Scene(served=frozenset({"MPIJob"}), **spec).settle().runs()
    template = scene.job["spec"].get("template") or scene.job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    assert [each["name"] for each in template["spec"]["containers"]] == [name]
    said = {"exitCode": 3, "message": json.dumps(last_word(3, failed_pe="stack"))}
    scene.pod(
        phase="Failed",
        containerStatuses=[
            {"name": "consul-dataplane", "imageID": "mesh@sha256:1", "state": {"terminated": {"exitCode": 0}}},
            {"name": name, "imageID": "ours@sha256:2", "state": {"terminated": said}},
        ],
    )
    scene.job_says("Failed")
    scene.settle()

    assert scene.says() == ("Failed", "PEFailed")
    assert scene.status["lastAttempt"]["exitCode"] == 3
    assert scene.status["image"] == {"resolvedDigest": "ours@sha256:2"}


@pytest.mark.parametrize("before", [{"parallelism": {"processes": 2}}, {}])
def test_a_run_that_was_scaled_is_as_large_as_its_attempt_was_made(before: dict[str, Any]) -> None:
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(mapping="multi", runPolicy=policy, **before).settle().runs()

    scene.workflow["spec"]["parallelism"] = {"processes": 8}
    scene.settle()

    assert scene.status["workers"] == {"desired": 8, "ready": 2 if before else 1}
    scene.ends(1).pods_go().runs()
    assert scene.status["workers"] == {"desired": 8, "ready": 8}


def test_an_attempt_of_an_older_operator_is_as_large_as_is_asked_for() -> None:
    scene = Scene(mapping="multi", parallelism={"processes": 2}).settle().runs()
    del scene.status["lastAttempt"]["processes"]

    scene.settle()

    assert scene.status["workers"] == {"desired": 2, "ready": 2}
