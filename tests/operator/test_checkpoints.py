# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that are asked for, and attempts that go on from them or begin anew: what is decided."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, last_word, workflow

from d4py_operator.accept import refusal
from d4py_operator.run import Run

STATELESS = {**KEPT, "upgradeMode": "Stateless"}


def asked(scene: Scene, nonce: str | None) -> Scene:
    """Change the nonce, and let the operator look until it has nothing to do."""
    scene.workflow["spec"]["snapshotNonce"] = nonce
    scene.workflow["metadata"]["generation"] += 1
    return scene.settle()


def test_another_nonce_ends_the_attempt_and_the_next_goes_on() -> None:
    scene = Scene(checkpoint=KEPT).settle().runs()

    asked(scene, "1")
    assert scene.says() == ("Stopping", "Snapshot")
    assert "Job/demo-1" not in {f"{key.kind}/{key.name}" for key in scene.things}
    scene.ends_pod(5, said=last_word(5, checkpoint=7)).pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert scene.status["snapshotNonce"] == "1"
    assert [each["reason"] for each in scene.status["history"]] == ["Snapshot"]
    assert scene.status["failures"] == 0
    assert scene.status["checkpoint"]["sequence"] == 7
    assert scene.runs().says() == ("Running", "AsAsked")


def test_one_nonce_asks_once() -> None:
    scene = Scene(checkpoint=KEPT, snapshotNonce="0").settle().runs()
    assert scene.made == ["Job/demo-1"]

    asked(scene, "1").pods_go().runs()
    for _ in range(3):
        scene.after(3600)

    assert scene.made == ["Job/demo-1", "Job/demo-2"]


def test_of_nonces_that_come_while_one_is_acted_on_the_last_counts() -> None:
    scene = Scene(checkpoint=KEPT).settle().runs()
    asked(scene, "1")
    asked(scene, "2")

    scene.pods_go().runs().after(3600)

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert scene.status["snapshotNonce"] == "2"


@pytest.mark.parametrize("taken", ["", "before"])
def test_a_nonce_that_is_taken_away_asks_for_nothing(taken: str) -> None:
    scene = Scene(checkpoint=KEPT, snapshotNonce=taken or None).settle().runs()

    asked(scene, None).after(3600)

    assert scene.made == ["Job/demo-1"]
    assert "snapshotNonce" not in scene.status


def test_where_nothing_runs_yet_there_is_nothing_to_keep() -> None:
    scene = Scene(checkpoint=KEPT).settle()

    asked(scene, "1").runs().after(3600)

    assert scene.made == ["Job/demo-1"]
    assert scene.status["snapshotNonce"] == "1"


def test_a_run_that_ends_well_meanwhile_has_ended_well() -> None:
    scene = Scene(checkpoint=KEPT).settle().runs()
    scene.workflow["spec"]["snapshotNonce"] = "1"

    scene.ends(0)

    assert scene.says() == ("Succeeded", "Done")


def test_suspending_goes_before_it() -> None:
    scene = Scene(checkpoint=KEPT).settle().runs()
    scene.workflow["spec"]["snapshotNonce"] = "1"

    scene.change(suspend=True).pods_go()
    assert scene.says() == ("Suspended", "Suspended")

    scene.change(suspend=False).runs().after(60)
    assert scene.made == ["Job/demo-1", "Job/demo-2"]


@pytest.mark.parametrize("checkpoint", [{}, {"checkpoint": STATELESS}], ids=["without", "stateless"])
def test_without_a_checkpoint_to_go_on_from_it_is_refused(checkpoint: dict[str, Any]) -> None:
    found = refusal(Run(workflow(snapshotNonce="1", **checkpoint)), frozenset())

    assert found is not None
    assert (found.reason, found.path) == ("InvalidSpec", "spec.snapshotNonce")


def test_one_whose_template_has_no_checkpoint_goes_on_and_says_so() -> None:
    scene = Scene().settle().runs()

    asked(scene, "1")

    assert scene.status["phase"] == "Running"
    assert scene.condition("Degraded") == ("True", "InvalidSpec")
    assert scene.made == ["Job/demo-1"]


def test_a_stateless_one_begins_anew_and_forgets_the_checkpoint() -> None:
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(checkpoint=STATELESS, runPolicy=policy).settle().runs()
    scene.ends(3, said=last_word(3, checkpoint=9)).pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert "checkpoint" not in scene.status
    assert scene.condition("CheckpointReady") == ("False", "AsAsked")
    script = scene.job["spec"]["template"]["spec"]["containers"][0]["command"][2]
    assert "mv /d4py/runs/demo-" in script


def test_what_really_ran_is_told_at_the_end() -> None:
    scene = Scene().settle().runs().ends(0, said=last_word(0, graph="e2c985", plan={"numbers": 1, "double": 3}))

    assert scene.status["graph"] == {"hash": "e2c985"}
    assert scene.status["plan"] == {"numbers": 1, "double": 3}


@pytest.mark.parametrize(
    "plan", [None, [], {"a": 0}, {"a": -1}, {"a": "2"}, {"a": True}, {"a": 2**60}, {f"p{n}": 1 for n in range(65)}]
)
def test_a_plan_that_is_none_is_left_out(plan: Any) -> None:
    scene = Scene().settle().runs().ends(0, said=last_word(0, graph=5, plan=plan))

    assert "plan" not in scene.status
    assert "graph" not in scene.status


def test_inputs_that_cannot_be_fetched_are_fetched_again() -> None:
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(inputs={"uri": "https://data.example.org/days.json"}, runPolicy=policy).settle().runs()

    scene.ends(2, said=last_word(2, again=True, error="it cannot be fetched")).pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert scene.status["history"][0]["reason"] == "InputsMissing"
