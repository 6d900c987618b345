# SPDX-License-Identifier: Apache-2.0
"""Runs whose kind a cluster no longer has, as where the MPI Operator is uninstalled: they can still be ended."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene

SERVED = frozenset({"MPIJob"})
NATIVE = ["Service/demo-2-c3b5f", "ConfigMap/demo-2-c3b5f", "Secret/demo-2-c3b5f", "Job/demo-2"]
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
    assert {key.kind for key in scene.things} == {"Service", "ConfigMap", "Secret", "Job"}
