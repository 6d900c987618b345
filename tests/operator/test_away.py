# SPDX-License-Identifier: Apache-2.0
"""Runs whose kind a cluster no longer has, as where the MPI Operator is uninstalled: they can still be ended."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene

SERVED = frozenset({"MPIJob"})


def bereft(pods: bool = False, **policy: Any) -> Scene:
    """Return ranks that run, of which the cluster has lost the kind, and the pods too where that is said."""
    scene = Scene(served=SERVED, mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT, runPolicy=policy).settle().runs()
    scene.things, scene.served = {}, frozenset()
    if not pods:
        scene.pods = []
    scene.settle()
    assert scene.says() == ("Running", "MappingMissing")
    return scene


def test_they_can_be_suspended() -> None:
    scene = bereft().change(suspend=True)

    assert scene.says() == ("Suspended", "Suspended")
    assert scene.change(suspend=False).made == ["MPIJob/demo-1", "Service/demo-c3b5f", "Secret/demo-c3b5f", "Job/demo-2"]  # fmt: skip


def test_their_deadline_ends_them() -> None:
    scene = bereft(activeDeadlineSeconds=60)
    assert scene.again == 60

    assert scene.after(60).says() == ("Failed", "Deadline")


def test_their_pods_are_waited_for() -> None:
    """Nobody deletes them: those who would are away."""
    scene = bereft(pods=True).change(suspend=True)
    assert scene.says() == ("Suspending", "Suspended")
    assert scene.status["message"] == "this cluster has no MPIJob at the moment: its pods are waited for"

    assert scene.change(suspend=False).says() == ("Running", "MappingMissing"), "they ran on"
    assert scene.change(suspend=True).pods_go().says() == ("Suspended", "Suspended")


@pytest.mark.parametrize("suspended", [False, True])
def test_when_the_kind_is_back_what_was_ended_goes_and_what_was_not_goes_on(suspended: bool) -> None:
    scene = Scene(served=SERVED, mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT).settle().runs()
    kept, scene.things, scene.served = scene.things, {}, frozenset[str]()
    pods, scene.pods = scene.pods, []
    scene.settle().change(suspend=suspended)

    scene.things, scene.served, scene.pods = kept, SERVED, pods
    scene.settle()

    assert bool(scene.things) is not suspended
    assert scene.status["phase"] == ("Suspended" if suspended else "Running")
