# SPDX-License-Identifier: Apache-2.0
"""What a workflow takes from a template, and from when on that is settled."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operator.scene import Scene

from d4py_operator.desired import hindered, refused
from d4py_operator.objects import Object
from d4py_operator.run import Run


def shared(**spec: Any) -> Object:
    return {"kind": "WorkflowTemplate", "metadata": {"name": "shared", "namespace": "lab"}, "spec": spec}


def of_template(**spec: Any) -> Scene:
    scene = Scene(templateRef={"name": "shared"})
    scene.template = shared(**spec)
    return scene


def arguments(scene: Scene) -> str:
    script: str = scene.job["spec"]["template"]["spec"]["containers"][0]["command"][2]
    return script


def test_a_mended_template_brings_a_workflow_back() -> None:
    scene = of_template(template={"spec": {"hostPID": True}})
    assert scene.settle().says() == ("Pending", "InvalidSpec")

    scene.template = shared()

    assert scene.settle().made == ["Job/demo-1"]


@pytest.mark.parametrize("after", [None, shared(args={"days": "9"}), shared()], ids=["deleted", "changed", "emptied"])
def test_all_attempts_are_of_the_template_as_it_was_when_the_first_began(after: Object | None) -> None:
    scene = of_template(args={"days": "3"}, runPolicy={"backoffLimit": 1, "backoff": {"initialSeconds": 0}})
    scene.settle().runs()
    first = arguments(scene)

    scene.template = after
    scene.settle().ends(1).pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert "days" in first
    assert arguments(scene) == first
    scene.runs().ends(1).pods_go()
    assert scene.says() == ("Failed", "BackoffLimit")


def test_what_a_workflow_says_itself_counts_before_a_template_that_is_gone() -> None:
    scene = of_template(runPolicy={"suspend": False}).settle().runs()
    scene.template = None

    scene.change(suspend=True).pods_go()
    assert scene.says() == ("Suspended", "Suspended")
    scene.change(suspend=False)

    assert scene.made == ["Job/demo-1", "Job/demo-2"]


def test_a_template_that_is_deleted_before_anything_began_is_missing() -> None:
    scene = of_template(runPolicy={"suspend": True}).settle()

    scene.template = None

    assert scene.settle().says() == ("Pending", "TemplateMissing")


def test_what_a_cluster_refused_of_a_template_may_be_mended_in_it() -> None:
    scene = of_template(args={"days": "3"}).settle().runs()
    assert scene.status["template"] == {"args": {"days": "3"}}
    decision = refused(scene.world(), "spec.template.spec.volumes[0].name: is not valid", scene.now)

    assert decision.status is not None
    assert "template" not in decision.status


@pytest.mark.parametrize("kept", ["text", 7, []])
def test_a_status_that_somebody_has_spoilt_leaves_the_template_that_is_there(kept: object) -> None:
    scene = of_template(image="registry.example/other:1")
    scene.workflow["status"] = {"template": kept}

    assert Run(scene.workflow, scene.template).given == {"image": "registry.example/other:1"}


@pytest.mark.parametrize("after", [None, shared()], ids=["deleted", "changed"])
def test_so_it_is_where_it_changed_before_anybody_saw_the_job(after: Object | None) -> None:
    scene = of_template(args={"days": "3"}, runPolicy={"backoffLimit": 1, "backoff": {"initialSeconds": 0}})
    scene.look()
    first = arguments(scene)

    scene.template = after
    scene.settle().runs().ends(1).pods_go()

    assert scene.made == ["Job/demo-1", "Job/demo-2"]
    assert arguments(scene) == first


def test_what_a_quota_holds_back_is_made_of_the_template_as_it_is_then() -> None:
    scene = of_template(args={"days": "3"})
    scene.look()
    scene.things.clear()
    scene.workflow["status"] = hindered(scene.world(), "Forbidden: exceeded quota", scene.now).status
    assert scene.look().status is None
    scene.things.clear()

    scene.template = shared(args={"days": "9"}, runPolicy={"backoffLimit": 3})
    assert scene.look().status is not None, "noted before it is made"
    scene.template = None

    assert "days=9" in arguments(scene)
    assert scene.ends(1).says() == ("Pending", "Retrying"), "also where nobody looked before it failed"


def test_what_an_operator_did_not_live_to_make_is_made_of_the_template_as_it_was() -> None:
    scene = of_template(args={"days": "3"})
    scene.look()
    scene.things.clear()

    scene.template = shared(args={"days": "9"})
    scene.settle()

    assert "days=3" in arguments(scene)


def test_a_run_that_an_older_operator_began_keeps_the_template_that_is_there() -> None:
    scene = of_template(args={"days": "3"}, runPolicy={"backoffLimit": 1}).settle().runs()
    del scene.status["template"]
    scene.template = shared(args={"days": "9"}, runPolicy={"backoffLimit": 1})  # changed since
    scene.settle()

    scene.template = None

    assert scene.settle().ends(1).says() == ("Pending", "Retrying")
