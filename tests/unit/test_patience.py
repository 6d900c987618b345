# SPDX-License-Identifier: Apache-2.0
"""Who waits for a run that cannot begin is told so, in one line with the remedy, and not before it is clear."""

from __future__ import annotations

from typing import Any

import pytest

from d4py.errors import UsageError
from d4py.targets.kubernetes.patience import LONGEST, SOON, UNHEARD, Patience, hindrance

PULL = {
    "phase": "Starting",
    "reason": "ImagePull",
    "message": 'pod a-1-x: ImagePullBackOff: Back-off pulling image "a:1": ErrImagePull: docker.io/library/a:1: not found',
}
REFUSED = {
    "phase": "Pending",
    "message": "spec.mpi: is missing",
    "conditions": [{"type": "Accepted", "status": "False"}],
}


def workflow(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "lab"}, "spec": {"image": "a:1"}, "status": status}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def nothing_is_told(line: str) -> None:
    raise AssertionError(line)


def test_an_image_that_cannot_be_pulled_is_told_after_a_while() -> None:
    clock = Clock()
    patience = Patience(nothing_is_told, clock)

    patience.look(workflow(**PULL))
    clock.now += LONGEST - 1
    patience.look(workflow(**PULL))
    clock.now += 1
    with pytest.raises(UsageError) as told:
        patience.look(workflow(**PULL))

    assert str(told.value) == (
        "The image 'a:1' of the run 'kubernetes://lab/a' cannot be pulled: docker.io/library/a:1: not found. "
        "Push it, or name another with --image. It begins by itself then; d4py cancel kubernetes://lab/a deletes it."
    )


def test_what_mends_itself_begins_the_wait_anew() -> None:
    clock = Clock()
    patience = Patience(nothing_is_told, clock)
    patience.look(workflow(**PULL))
    clock.now += LONGEST - 1
    patience.look(workflow(phase="Running", reason="AsAsked"))
    clock.now += LONGEST

    patience.look(workflow(**PULL))


def test_what_the_operator_does_not_take_is_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"is not run: spec.mpi: is missing\. Delete it and send it anew: d4py cancel"):
        Patience(nothing_is_told).look(workflow(**REFUSED))


@pytest.mark.parametrize(
    ("reason", "message", "remedy"),
    [
        ("TemplateMissing", "there is no WorkflowTemplate 'site'", "Create it: the run begins by itself then."),
        ("MappingMissing", "this cluster has no MPIJob", "The run begins by itself when it is there."),
    ],
)
def test_what_may_come_is_waited_for_and_told(reason: str, message: str, remedy: str) -> None:
    told: list[str] = []
    clock = Clock()
    patience = Patience(told.append, clock)
    waits = workflow(**REFUSED | {"reason": reason, "message": message})

    for clock.now in (100.0, 100.0 + SOON, 1000.0):
        patience.look(waits)

    assert told == [f"The run 'kubernetes://lab/a' is not run yet: {message}. {remedy}"]


def test_that_nobody_sees_a_run_go_on_is_told() -> None:
    resumed = workflow(phase="Suspended", reason="Suspended", observedGeneration=2)
    resumed["metadata"]["generation"] = 3

    found = hindrance(resumed)

    assert found is not None
    assert found.line == (
        "The run 'kubernetes://lab/a' waits: no operator has seen yet that it is to go on. "
        "Ask whoever keeps the cluster: helm list -A shows d4py."
    )


FULL = "0/1 nodes are available: 1 Insufficient cpu"
LESS = "It begins by itself when one has; else ask for less: resources.worker in --values, fewer processes."
WAITS = [
    (
        {"phase": "Starting", "reason": "Unschedulable", "message": f"pod a-1-x: {FULL}."},
        SOON,
        f"no node has room for it: pod a-1-x: {FULL}. {LESS}",
    ),
    (
        {"phase": "Running", "reason": "Unschedulable", "message": f"pod a-1-y: {FULL}."},
        SOON,
        f"no node has room for it: pod a-1-y: {FULL}. {LESS}",
    ),
    (
        {"phase": "Starting", "reason": "Unschedulable", "message": 'pod a-1-x: persistentvolumeclaim "kept" not found'},
        SOON,
        'its volume is not there: pod a-1-x: persistentvolumeclaim "kept" not found. It begins by itself when it is: kubectl -n lab get pvc.',
    ),
    (
        {"phase": "Queued", "reason": "Queued", "message": "it waits in its queue"},
        SOON,
        "it waits in its queue. It begins when its queue lets it: kubectl -n lab get workloads.",
    ),
    (
        {"phase": "Starting", "reason": "Refused", "message": "exceeded quota: small"},
        SOON,
        "the cluster refuses it for now: exceeded quota: small. It begins by itself when the cluster lets it.",
    ),
    (
        {"phase": "Running", "reason": "NodeLost", "message": "pod a-1-x: its node n does not answer"},
        0.0,
        "pod a-1-x: its node n does not answer. If that node is off for good, taint it as docs/kubernetes.md says.",
    ),
    (
        {"phase": "Starting", "reason": "Created", "message": "attempt 1 waits for its pods"},
        UNHEARD,
        "it has not begun for longer than a minute: attempt 1 waits for its pods. kubectl -n lab describe pods -l d4py.dev/workflow=a says why.",
    ),
    ({}, LONGEST, "no operator has seen it yet. Ask whoever keeps the cluster: helm list -A shows d4py."),
]  # fmt: skip


@pytest.mark.parametrize(("status", "after", "line"), WAITS)
def test_what_a_cluster_may_still_mend_is_told_once_and_waited_for(
    status: dict[str, Any], after: float, line: str
) -> None:
    clock, told = Clock(), list[str]()
    patience = Patience(told.append, clock)

    patience.look(workflow(**status))
    clock.now += after - 0.5
    if after:
        patience.look(workflow(**status))
        assert told == []
    for _ in range(3):
        clock.now += 10 * LONGEST
        patience.look(workflow(**status))

    assert told == [f"The run 'kubernetes://lab/a' waits: {line}"]


def test_what_comes_again_after_it_was_mended_is_told_again() -> None:
    told = list[str]()
    patience = Patience(told.append)
    lost = workflow(phase="Running", reason="NodeLost", message="its node n does not answer")

    for each in (lost, lost, workflow(phase="Running", reason="AsAsked"), lost):
        patience.look(each)

    assert len(told) == 2


@pytest.mark.parametrize("phase", ["Running", "Suspending", "Pending", "Stopping"])
def test_of_a_run_that_goes_its_way_nothing_is_told(phase: str) -> None:
    clock = Clock()
    patience = Patience(nothing_is_told, clock)
    for _ in range(3):
        patience.look(workflow(phase=phase, reason="AsAsked"))
        clock.now += 10 * UNHEARD


def test_a_registry_that_wants_a_password_is_told_of() -> None:
    message = "pod a-1-x: ErrImagePull: registry.example/a:1: failed with status code [manifests 1]: 401 Unauthorized"
    found = hindrance(workflow(phase="Starting", reason="ImagePull", message=message))

    assert found is not None
    assert found.remedy.startswith(
        "Give a Secret in imagePullSecrets, in --values: its registry wants a password. It begins"
    )


@pytest.mark.parametrize(
    ("phase", "reason", "message", "remedy"),
    [
        (
            "Starting",
            "PodsMissing",
            "Job a-1 has 0 of 1 pods: a quota perhaps",
            "It begins by itself when they are made.",
        ),
        ("Starting", "NotStarted", "pod a-1-x has not started", "It goes on by itself when that is mended."),
        ("Running", "NotStarted", "pod a-1-y has not started", "It goes on by itself when that is mended."),
    ],
)
def test_pods_that_are_not_made_or_do_not_start_are_told_of_at_once(
    phase: str, reason: str, message: str, remedy: str
) -> None:
    """The operator has waited for them already."""
    found = hindrance(workflow(phase=phase, reason=reason, message=message))

    assert found is not None
    assert found.line == f"The run 'kubernetes://lab/a' waits: {message}. {remedy}"
    assert (found.patience, found.vain) == (0.0, False)
