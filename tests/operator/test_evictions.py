# SPDX-License-Identifier: Apache-2.0
"""Pods that had to leave their nodes: what is a node's doing is free, what is the run's own counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, last_word

TOO_MUCH = 'Usage of EmptyDir volume "d4py-tmp" exceeds the limit "1Gi"'
LOW = "The node was low on resource: memory"
TOLD = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}


def evicted(scene: Scene, message: str, *conditions: Any, said: Any = None, ended: bool = True) -> Scene:
    """Have a kubelet evict its pod, and its Job fail."""
    word = {"message": json.dumps(said)} if said else {}
    containers = [{"name": "d4py", "state": {"terminated": {"exitCode": 5, "reason": "Error", **word}}}]
    scene.pod(
        phase="Failed",
        reason="Evicted",
        message=message,
        conditions=list(conditions),
        containerStatuses=containers if ended else [],
    )
    scene.job_says("Failed", reason="PodFailurePolicy" if conditions else "BackoffLimitExceeded")
    return scene.settle().after(10)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("said", [None, last_word(5, error="it was told to stop")])
def test_a_run_that_takes_more_storage_than_its_own_limit_has_failed(said: Any, *, ended: bool) -> None:
    """A kubelet says Evicted of it, too, but not that it had to go for the node's sake."""
    scene = evicted(Scene().settle().runs(), TOO_MUCH, said=said, ended=ended)

    assert scene.says() == ("Failed", "Evicted")
    assert scene.status["message"] == TOO_MUCH
    assert (scene.status["failures"], scene.made) == (1, ["Job/demo-1"])


def test_it_is_tried_again_as_often_as_any_failure() -> None:
    scene = Scene(runPolicy={"backoffLimit": 1, "backoff": {"initialSeconds": 0}}).settle()
    for _ in range(3):
        evicted(scene.runs(), TOO_MUCH)

    assert scene.says() == ("Failed", "BackoffLimit")
    assert scene.made == ["Job/demo-1", "Job/demo-2"]


def test_a_pod_that_its_node_had_no_room_for_has_not_failed() -> None:
    scene = evicted(Scene().settle().runs(), LOW, TOLD)

    assert scene.status["history"][0]["reason"] == "Evicted"
    assert scene.status["history"][0]["message"] == LOW
    assert (scene.status["failures"], scene.made) == (0, ["Job/demo-1", "Job/demo-2"])


def test_ranks_fail_whose_worker_takes_more_storage_than_its_limit() -> None:
    scene = Scene(mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT, served=frozenset({"MPIJob"})).settle().runs()
    worker = scene.pod(phase="Failed", reason="Evicted", message=TOO_MUCH)
    worker["metadata"]["name"] = "demo-1-worker-1"
    worker["metadata"]["labels"] |= {"d4py.dev/role": "worker", "batch.kubernetes.io/job-completion-index": "1"}

    scene.ends(1)

    assert scene.says() == ("Failed", "Evicted")
    assert scene.status["message"] == TOO_MUCH
