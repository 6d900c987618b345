# SPDX-License-Identifier: Apache-2.0
"""How long an attempt may take to start: neither its time in a queue counts, nor the time before its Job could be made."""

from __future__ import annotations

import pytest
from tests.operator.scene import KEPT, Scene

from d4py_operator.cluster.store import trimmed
from d4py_operator.desired import hindered
from d4py_operator.objects import stamp

NIGHT = {"queueName": "night"}


def let_go(scene: Scene) -> None:
    """Have its queue let it begin."""
    spec = scene.job["spec"]
    (spec if scene.job["kind"] == "Job" else spec["runPolicy"])["suspend"] = False


@pytest.mark.parametrize("served", [frozenset[str](), frozenset({"MPIJob"})])
def test_time_in_a_queue_is_not_time_to_start(served: frozenset[str]) -> None:
    """Nobody need have seen yet that it was let go but the operator."""
    scene = Scene(
        served=served,
        mapping="mpi",
        mpi={"ranks": 2},
        checkpoint=KEPT,
        scheduling=NIGHT,
        runPolicy={"startDeadlineSeconds": 300},
    )
    scene.settle().after(3600)
    let_go(scene)

    assert scene.settle().says() == ("Starting", "Created")
    assert scene.after(19).says() == ("Starting", "Created")
    assert scene.after(1).says() == ("Starting", "PodsMissing")
    assert scene.after(279).says() == ("Starting", "PodsMissing")
    assert scene.after(1).says() == ("Failed", "StartDeadline")


def test_nor_is_it_where_the_operator_was_away_when_it_was_let_go() -> None:
    scene = Scene(scheduling=NIGHT, runPolicy={"startDeadlineSeconds": 300})
    scene.look()
    let_go(scene)
    scene.now = scene.now.replace(hour=14)
    scene.job["status"] = {"startTime": stamp(scene.now), "conditions": [{"type": "Suspended", "status": "False"}]}
    trimmed(scene.job)  # as the operator keeps it

    assert scene.settle().says() == ("Starting", "Created")
    assert scene.after(300).says() == ("Failed", "StartDeadline")


def test_nor_is_the_time_in_which_a_quota_refuses_its_job() -> None:
    scene = Scene(runPolicy={"startDeadlineSeconds": 300})
    scene.look()
    scene.things.clear()
    scene.workflow["status"] = hindered(scene.world(), "Forbidden: exceeded quota", scene.now).status
    scene.now = scene.now.replace(hour=14)

    assert scene.settle().says() == ("Starting", "Created")
    assert scene.after(20).says() == ("Starting", "PodsMissing")
    assert scene.after(280).says() == ("Failed", "StartDeadline")
