# SPDX-License-Identifier: Apache-2.0
"""Namespaces on a real control plane: two that an operator works in and one that it leaves alone, and one that is deleted under its runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.conftest import somebody, working
from tests.operator.hands import HASTY, KEPT, SPEC, Hands, await_gone, eventually

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ApiError
from d4py_operator.operator import Operator

MANY = 20
WITHIN = 60  # seconds in which Kubernetes empties a namespace


@pytest.fixture(scope="module")
def three(api: Api) -> Iterator[list[Hands]]:
    """Somebody in three namespaces."""
    with ExitStack() as stack:
        yield [stack.enter_context(somebody(api)) for _ in range(3)]


@pytest.fixture(scope="module")
def operator(defined: Cluster, three: list[Hands]) -> Iterator[Operator]:
    """An operator in two of them."""
    with working(str(defined.kubeconfig), three[0].namespace, three[1].namespace) as found:
        yield found


def test_it_works_in_two_and_leaves_the_third_alone(three: list[Hands], operator: Operator) -> None:
    for hands in three:
        hands.make("WorkflowTemplate", "shared", SPEC)
        hands.make("Workflow", "same", {"templateRef": {"name": "shared"}})
    one, other, third = three

    one.runs("same-1")
    other.ends("same-1", 3, said={"failed_pe": "count", "error": "PE 'count' raised"})

    one.await_phase("same", "Running")
    assert other.await_phase("same", "Failed")["lastAttempt"]["failedPE"] == "count"
    one.ends("same-1")
    one.await_phase("same", "Succeeded")
    assert "status" not in third.get("Workflow", "same")
    assert third.all("Job") == []
    known = {each["metadata"]["namespace"] for each in operator.store.all("Workflow")}
    assert known == {one.namespace, other.namespace}


def test_a_namespace_that_is_deleted_takes_its_runs_along_and_stops_nothing_elsewhere(
    three: list[Hands], operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    one, doomed, _ = three
    ranks = {"mapping": "mpi", "mpi": {"ranks": 4, "slotsPerWorker": 2, "launcher": "Native"}, "checkpoint": KEPT}
    eager = {"runPolicy": {"backoffLimit": 100, "backoff": {"initialSeconds": 0}}}
    for number in range(MANY):
        doomed.workflow(
            f"run-{number}",
            networkPolicy="Isolated",
            inputs={"inline": "{}"},
            **HASTY,
            **(ranks if number % 4 == 0 else eager),
        )
    doomed.make("CronWorkflow", "often", {"schedule": "* * * * *", "workflowTemplate": {"spec": {**SPEC, **HASTY}}})
    for number in range(MANY):
        doomed.await_phase(f"run-{number}", "Starting")
    for number in range(0, MANY, 2):
        doomed.runs(f"run-{number}-1")
    for number in range(0, MANY, 2):
        doomed.await_phase(f"run-{number}", "Running")

    with caplog.at_level(logging.WARNING):
        doomed.api.request("DELETE", f"/api/v1/namespaces/{doomed.namespace}")
        for number in range(MANY):
            operator.queue.add(doomed.key("Workflow", f"run-{number}"))
        await_gone(doomed.api, doomed.namespace, WITHIN)
        eventually(lambda: not _of(operator, doomed), "the operator to hear of it")
        one.workflow("after")
        one.ends("after-1")
        one.await_phase("after", "Succeeded")

    assert [record.getMessage() for record in caplog.records] == []
    assert not [line for line in operator.metrics.text().splitlines() if 'result="defect"' in line]


def test_what_is_told_to_a_namespace_that_is_gone_goes_with_it(api: Api) -> None:
    for write in (api.create, api.apply):
        with pytest.raises(ApiError) as refused:
            write({"kind": "Event", "metadata": {"name": "late", "namespace": "gone"}})
        assert refused.value.ending, refused.value


def _of(operator: Operator, hands: Hands) -> list[str]:
    """Return what the operator knows of in a namespace."""
    kinds = ("Workflow", "CronWorkflow", "Job", "Pod")
    things = [each for kind in kinds for each in operator.store.all(kind)]
    return [each["metadata"]["name"] for each in things if each["metadata"]["namespace"] == hands.namespace]
