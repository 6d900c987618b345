# SPDX-License-Identifier: Apache-2.0
"""What a cluster does not do: who is told of it and when, and how often it is asked again. By a clock that tests turn, on an API that refuses."""

from __future__ import annotations

import copy
import json
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.operator.scene import BEGIN, workflow

from d4py_operator.cluster.errors import ApiError, ClusterError, api_error
from d4py_operator.cluster.store import Store
from d4py_operator.objects import Key, Object
from d4py_operator.queue import Queue
from d4py_operator.reconcile import Reconciler, Stale

KEY = Key("Workflow", "lab", "demo")
DENIED = 'admission webhook "validate.example" denied the request: every Job needs the label team'
POLICY = (
    "jobs.batch \"demo-1\" is forbidden: ValidatingAdmissionPolicy 'team' with binding 'all' denied request: no team"
)


class Refusing:
    """An API that takes statuses and events, but for what a test has it refuse."""

    def __init__(self, store: Store) -> None:
        self.store, self.calls, self.events = store, Counter[str](), list[str]()
        self.make: Callable[[int], ApiError | None] = lambda _: None
        self.take: Callable[[Object], ApiError | None] = lambda _: None
        self.statuses: list[Object] = []

    def apply_status(self, thing: Object, status: Object) -> Object:
        self.calls["status"] += 1
        refusal = self.take(status)
        if refusal:
            raise refusal
        self.statuses.append(status)
        version = str(100 + self.calls["status"])
        return {**copy.deepcopy(thing), "status": status, "metadata": {**thing["metadata"], "resourceVersion": version}}

    def create(self, thing: Object) -> Object:
        if thing["kind"] == "Event":
            self.events.append(f"{thing['reason']}: {thing['message']}")
            return thing
        self.calls[thing["kind"]] += 1
        refusal = self.make(self.calls[thing["kind"]])
        if refusal:
            raise refusal
        return {**thing, "metadata": {**thing["metadata"], "uid": "u-1", "resourceVersion": "1"}}

    def apply(self, thing: Object) -> Object:
        return thing


class World:
    """A workflow, somebody who looks at it when the queue says so, and time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store, self.queue = Store(), Queue(lambda: self.now)
        self.api = Refusing(self.store)
        self.store.listeners.append(lambda _: self.queue.add(KEY))
        self.reconciler = Reconciler(
            self.api,  # type: ignore[arg-type]
            self.store,
            frozenset,
            now=lambda: BEGIN,
            failures=self.queue.failures,
        )
        self.errors: list[str] = []
        self.store.put(workflow())

    def passes(self, seconds: float) -> World:
        """Look at it as often as it is due in so long."""
        until = self.now + seconds
        while True:
            if len(self.queue):
                self._look()
            elif self.queue._later and self.queue._later[0][0] <= until:
                self.now = self.queue._later[0][0]
                with self.queue._changed:
                    self.queue._ripen()
            else:
                self.now = until
                return self

    def _look(self) -> None:
        assert self.queue.take() == KEY
        try:
            self.reconciler.reconcile(KEY)
            self.queue.settle(KEY)
        except Stale:
            self.queue.failed(KEY)
        except ClusterError as error:
            self.errors.append(str(error))
            self.queue.failed(KEY, error.wait)
        self.queue.done(KEY)

    @property
    def says(self) -> tuple[str, str]:
        status = self.api.statuses[-1]
        return status["phase"], status["reason"]

    @property
    def message(self) -> str:
        message: str = self.api.statuses[-1]["message"]
        return message


@pytest.fixture
def world() -> World:
    return World()


def answer(status: int, reason: str, message: str, *causes: dict[str, str], wait: str | None = None) -> ApiError:
    body = {"kind": "Status", "reason": reason, "message": message, "details": {"causes": list(causes)}, "code": status}
    return api_error(status, json.dumps(body).encode(), wait)


FIELD = {"field": "spec.template.spec.containers[0].image", "reason": "FieldValueRequired", "message": "Required value"}


@pytest.mark.parametrize(
    ("error", "lasting", "told"),
    [
        (answer(422, "Invalid", "Job is invalid", FIELD), True, f"Invalid: {FIELD['field']}: is missing"),
        (answer(400, "BadRequest", "json: cannot unmarshal"), True, "BadRequest: json: cannot unmarshal"),
        (answer(400, "", DENIED), False, DENIED),
        (answer(422, "Invalid", POLICY, {"message": POLICY}), False, f"Invalid: {POLICY}"),
        (answer(422, "Invalid", DENIED, FIELD), False, f"Invalid: {FIELD['field']}: is missing"),
        (answer(413, "RequestEntityTooLarge", POLICY), False, f"RequestEntityTooLarge: {POLICY}"),
        (answer(403, "Forbidden", "exceeded quota"), False, "Forbidden: exceeded quota"),
        (answer(500, "InternalError", "failed calling webhook"), False, "InternalError: failed calling webhook"),
        (api_error(502, b"<html>"), False, "502"),
    ],
)
def test_only_what_is_wrong_with_an_object_itself_is_for_good(error: ApiError, lasting: bool, told: str) -> None:
    assert (error.lasting, error.told) == (lasting, told)


@pytest.mark.parametrize(("status", "reason", "text"), [(400, "", DENIED), (422, "Invalid", POLICY)])
def test_what_a_rule_speaks_against_is_told_in_its_words_and_made_when_the_rule_is_gone(
    world: World, status: int, reason: str, text: str
) -> None:
    world.api.make = lambda _: answer(status, reason, text)
    world.passes(86400)
    assert world.says == ("Starting", "Refused")
    assert world.message == "Job demo-1: " + ": ".join(filter(None, [reason, text]))
    assert world.api.calls["Job"] < 1500

    world.api.make = lambda _: None
    world.passes(60)

    assert world.says == ("Starting", "Created")


@pytest.mark.parametrize(
    "error",
    [
        answer(500, "InternalError", 'failed calling webhook "mjob.kb.io": connection refused'),
        answer(404, "NotFound", "the server could not find the requested resource"),
        answer(429, "TooManyRequests", "", wait="1"),
        answer(401, "Unauthorized", "Unauthorized"),
    ],
    ids=lambda error: error.reason,
)
def test_what_does_not_pass_is_told_and_what_passes_is_not(world: World, error: ApiError) -> None:
    world.api.make = lambda number: error if number <= 3 else None
    world.passes(10)
    assert world.says == ("Starting", "Created")
    assert not [each for each in world.api.statuses if each["reason"] == "Refused"]

    later = World()
    later.api.make = lambda _: error
    later.passes(0.2)
    assert later.message == "attempt 1 is being made: Job demo-1"
    later.passes(60)

    assert later.says == ("Starting", "Refused")
    assert later.message == f"Job demo-1: {error.told}"
    assert later.errors[-1] == later.message
    assert [each.split(":")[0] for each in later.api.events] == ["Created", "Refused"]


def test_words_that_differ_each_time_cause_no_storm(world: World) -> None:
    """A look at it is due whenever its status changes."""
    world.api.make = lambda number: answer(403, "Forbidden", f"denied the request (trace {number})")

    world.passes(2)
    assert world.api.calls["Job"] <= 8

    world.passes(3600)
    assert world.api.calls["Job"] <= 90
    assert world.api.calls["status"] <= 12
    assert len(world.api.events) == 2


def test_who_is_told_to_wait_waits(world: World) -> None:
    world.api.make = lambda _: answer(429, "TooManyRequests", "slow down", wait="30")

    world.passes(299)

    assert world.api.calls["Job"] <= 12


UNDECLARED = (
    "failed to create typed patch object (lab/demo; d4py.dev/v1alpha1, Kind=Workflow): "
    ".status.template: field not declared in schema"
)


@pytest.mark.parametrize(("status", "reason"), [(500, ""), (400, "BadRequest")])
def test_a_status_that_the_definitions_have_no_word_for_is_told_at_once_and_seldom_again(
    world: World, status: int, reason: str
) -> None:
    world.api.take = lambda _: answer(status, reason, UNDECLARED)
    world.passes(1)
    (event,) = set(world.api.events)
    assert "refuses its status (.status.template: field not declared in schema): its definitions are of" in event
    assert "d4py crds | kubectl apply" in event

    world.passes(3600)

    assert world.api.calls["status"] < 80
    assert world.api.calls["Job"] == 0


def test_a_policy_that_speaks_against_a_status_is_not_taken_for_old_definitions(world: World) -> None:
    world.api.take = lambda _: answer(400, "", DENIED)

    world.passes(1)

    assert set(world.api.events) == {f"StatusRefused: the cluster refuses its status: {DENIED}"}


def test_nothing_is_told_in_a_namespace_that_is_being_deleted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    ending = {
        "reason": "NamespaceTerminating",
        "message": "namespace lab is being terminated",
        "field": "metadata.namespace",
    }
    world.api.make = lambda _: answer(403, "Forbidden", "because it is being terminated", ending)

    with caplog.at_level(logging.DEBUG):
        world.passes(600)

    assert world.api.calls["Job"] <= 2
    assert world.errors == []
    assert caplog.text == ""


def test_what_keeps_something_from_being_deleted_does_not_end_the_run(world: World) -> None:
    """A policy may answer a deletion with any code."""
    refusals: list[Any] = [answer(400, "", DENIED)] * 3

    def delete(key: Key, uid: str) -> None:
        if refusals:
            raise refusals.pop()

    world.passes(1)
    world.api.delete = delete  # type: ignore[attr-defined]
    labels = {"d4py.dev/workflow": "demo", "d4py.dev/attempt": "1"}
    metadata = {"name": "demo-1", "namespace": "lab", "uid": "u-1", "resourceVersion": "2", "labels": labels}
    world.store.put({"kind": "Job", "metadata": {**metadata, "ownerReferences": [{"uid": "w-1"}]}})
    thing = copy.deepcopy(world.store.get(KEY))
    assert thing is not None
    thing["spec"]["runPolicy"] = {"suspend": True}
    thing["metadata"] |= {"resourceVersion": "500", "generation": 2}
    world.store.put(thing)

    world.passes(60)

    assert refusals == []
    assert world.says[0] == "Suspending"
    told = [each for each in world.api.events if each.startswith("Refused")]
    assert told == [f"Refused: Job demo-1 is to be deleted, and is not: {DENIED}"]


def test_a_workflow_of_a_schedule_that_a_policy_refuses_is_told_and_made_later(world: World) -> None:
    metadata = {"name": "nightly", "namespace": "lab", "uid": "c-1", "generation": 1, "resourceVersion": "1"}
    spec = {"schedule": "0 * * * *", "workflowTemplate": {"spec": {}}}
    cron = {"kind": "CronWorkflow", "metadata": {**metadata, "creationTimestamp": "2026-05-01T11:30:00Z"}, "spec": spec}
    world.store.put(cron)
    world.api.make = lambda number: answer(400, "", DENIED) if number < 4 else None
    key = Key("CronWorkflow", "lab", "nightly")

    for _ in range(3):
        with pytest.raises(ClusterError, match="denied the request"):
            world.reconciler.reconcile(key)
    world.reconciler.reconcile(key)

    (told,) = {each for each in world.api.events if each.startswith("Refused")}
    assert told.startswith("Refused: no Workflow is made: Workflow nightly-")
    assert told.endswith(DENIED)
    assert world.api.calls["Workflow"] == 4
