# SPDX-License-Identifier: Apache-2.0
"""Attempts that were noted and not made, as where a quota refuses the Job: made of what the spec says when they can be."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import KEPT, SPEC, Scene, workflow

from d4py_operator.desired import hindered

RANKS: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2}, "checkpoint": KEPT}


def held_back(scene: Scene) -> Scene:
    """Have its first attempt noted, and nothing made of it."""
    scene.look()
    scene.things.clear()
    scene.made.clear()
    scene.workflow["status"] = hindered(scene.world(), "Forbidden: exceeded quota", scene.now).status
    assert scene.says() == ("Starting", "Refused")
    return scene


def templated(**policy: Any) -> Scene:
    """Return a workflow that takes everything from its template."""
    thing = workflow()
    thing["spec"] = {"templateRef": {"name": "shared"}}
    scene = Scene(thing)
    scene.template = {"kind": "WorkflowTemplate", "spec": {**SPEC, "runPolicy": policy}}
    return scene


def test_a_template_that_is_made_anew_meanwhile_is_waited_for() -> None:
    scene = held_back(templated())
    template, scene.template = scene.template, None

    assert scene.settle().says() == ("Pending", "TemplateMissing")
    assert scene.after(3600).made == []

    scene.template = template
    assert scene.settle().says() == ("Starting", "Created")
    assert scene.made == ["Job/demo-1"]
    assert scene.runs().ends(0).says() == ("Succeeded", "Done")


def test_so_is_a_template_that_lacks_something_for_a_while() -> None:
    scene = held_back(templated())
    template, scene.template = scene.template, {"kind": "WorkflowTemplate", "spec": {}}

    assert scene.settle().says() == ("Pending", "InvalidSpec")

    scene.template = template
    assert scene.settle().made == ["Job/demo-1"]


def test_suspending_ends_what_waits_for_its_template() -> None:
    scene = held_back(templated())
    scene.template = None
    scene.settle().change(suspend=True)

    assert scene.status["lastAttempt"]["reason"] == "Suspended"


@pytest.mark.parametrize(
    ("before", "after", "served"),
    [
        ({}, {}, frozenset({"MPIJob"})),  # the MPI Operator was installed
        ({"mapping": "simple", "mpi": None}, RANKS, frozenset({"MPIJob"})),
    ],
)
def test_the_kind_that_is_made_is_the_one_that_is_looked_for(
    before: dict[str, Any], after: dict[str, Any], served: frozenset[str]
) -> None:
    scene = held_back(Scene(**{**RANKS, **before}))
    assert scene.status["lastAttempt"]["kind"] == "Job"
    digest = scene.status["specHash"]
    scene.workflow["spec"] |= after
    scene.served = served

    decision = scene.look()

    assert decision.status is not None
    assert decision.status["lastAttempt"]["kind"] == "MPIJob", "noted before it is made"
    assert (decision.status["specHash"] != digest) == bool(before)
    assert scene.made == ["MPIJob/demo-1"]
    assert scene.runs().says() == ("Running", "AsAsked")
    assert scene.status["lastAttempt"]["uid"] == "uid-of-demo-1"
