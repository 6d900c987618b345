# SPDX-License-Identifier: Apache-2.0
"""An operator beside definitions of an older release: `helm upgrade` brings the one and leaves the other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.operator.hands import MERGE, SPEC, Hands, eventually

from d4py_operator.cluster.errors import ApiError
from d4py_operator.cluster.kinds import place
from d4py_operator.objects import Object

APPLY = "application/apply-patch+yaml"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/workflows.d4py.dev"

pytestmark = pytest.mark.usefixtures("operator")


@contextmanager
def defined_otherwise(hands: Hands, change: Callable[[Object], None], probe: Object, status: int) -> Iterator[None]:
    """Change the schema of a status meanwhile. probe: a status that tells when this is so, by what is answered to it."""
    defined: Object = hands.api.request("GET", CRD)
    before = copy.deepcopy(defined["spec"]["versions"])
    versions = defined["spec"]["versions"]
    change(versions[0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])
    hands.workflow("probe", runPolicy={"managedBy": "example.org/nobody"})

    def answer() -> int:
        # Dry: a value that is stored may stay in whatever definition, so a probe that went through once would go through ever after.
        path = place(hands.key("Workflow", "probe")) + "/status"
        body = {"apiVersion": "d4py.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "probe"}, "status": probe}
        try:
            hands.api.request("PATCH", path, query={"fieldManager": "probe", "dryRun": "All"}, body=body, content=APPLY)
        except ApiError as error:
            return error.status  # for a moment that of an API server that changes over
        return 200

    def define(versions: Object) -> None:
        hands.api.request("PATCH", CRD, body={"spec": {"versions": versions}}, content=MERGE)

    define(versions)
    try:
        eventually(lambda: answer() == status, f"the definition to answer {status}")
        yield
    finally:
        define(before)
        eventually(lambda: answer() == 200, "the definition as it was")
        hands.delete("Workflow", "probe")


def without_reason(hands: Hands, reason: str) -> AbstractContextManager[None]:
    """Take a reason out of the definition of workflows meanwhile."""
    return defined_otherwise(hands, lambda schema: schema["reason"]["enum"].remove(reason), {"reason": reason}, 422)


def without_template(hands: Hands) -> AbstractContextManager[None]:
    """Take a field of the status out of the definition of workflows meanwhile: the API server calls that its own fault."""
    template = {"template": {"image": "a"}}
    return defined_otherwise(hands, lambda schema: (schema.pop("template"), None)[1], template, 500)


def told(hands: Hands, name: str) -> list[str]:
    """Return what events say of a status that was refused."""
    events = hands.api.request("GET", f"/api/v1/namespaces/{hands.namespace}/events")["items"]
    return [
        event["message"]
        for event in events
        if (event["involvedObject"]["name"], event["reason"]) == (name, "StatusRefused")
    ]


def test_a_run_goes_on_and_is_told_of_when_the_definitions_are_there(hands: Hands) -> None:
    hands.workflow("ahead")
    hands.runs("ahead-1")
    hands.await_phase("ahead", "Running")

    with without_reason(hands, "Done"):
        hands.ends("ahead-1", said={"read": 7})
        (message,) = eventually(lambda: told(hands, "ahead"), "an event")
        assert "the cluster refuses its status (status.reason: has a value that is not supported):" in message
        assert "d4py crds | kubectl apply" in message
        assert hands.says("ahead")[0] == "Running"
        assert hands.there("Job", "ahead-1")

    status = hands.await_phase("ahead", "Succeeded")
    assert (status["attempts"], status["lastAttempt"]["reason"]) == (1, "Done")


def test_nothing_is_made_of_what_cannot_be_told(hands: Hands) -> None:
    with without_reason(hands, "Created"):
        hands.workflow("later")
        eventually(lambda: told(hands, "later"), "an event")
        assert hands.there("Job", "later-1") is None

    eventually(lambda: hands.there("Job", "later-1"), "its Job")


def test_a_field_that_the_definitions_lack_is_named_and_the_run_begins_when_they_have_it(hands: Hands) -> None:
    hands.make("WorkflowTemplate", "shared", SPEC)
    with without_template(hands):
        hands.make("Workflow", "fields", {"templateRef": {"name": "shared"}})
        (message,) = eventually(lambda: told(hands, "fields"), "an event")
        assert "the cluster refuses its status (.status.template: field not declared in schema):" in message
        assert "d4py crds | kubectl apply" in message
        assert hands.there("Job", "fields-1") is None

    hands.ends("fields-1")
    assert hands.await_phase("fields", "Succeeded")["template"]["image"] == SPEC["image"]
