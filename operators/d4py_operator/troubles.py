# SPDX-License-Identifier: Apache-2.0
"""What keeps an attempt from going on, as its pods tell it, and what they do not tell while time goes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from d4py.resources.status import Attempt, WorkflowStatus
from d4py_operator import clock
from d4py_operator.objects import Object, condition, moment
from d4py_operator.observed import Observed, Trouble, containers, is_ready
from d4py_operator.pods import volumes_of
from d4py_operator.run import Run
from d4py_operator.stopping import unheard
from d4py_operator.summary import plain

_WORDS = {
    **dict.fromkeys(
        ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"),
        "ImagePull",
    ),
    **dict.fromkeys(("CreateContainerConfigError", "CreateContainerError", "RunContainerError"), "ConfigMissing"),
    "CrashLoopBackOff": "NotStarted",
}
_MADE = 20.0  # seconds in which whoever makes the pods of an attempt makes them
_STARTED = 60.0  # seconds in which a pod that has a node finds what it mounts
Doubt = tuple[float, Trouble]  # what is amiss when so many seconds have passed


def trouble_of(
    run: Run, status: WorkflowStatus, attempt: Attempt, seen: Observed, pods: Sequence[Object], now: datetime
) -> tuple[Trouble | None, float | None]:
    """Return what keeps an attempt from going on, else in how many seconds something may be known to."""
    told = next(_told(pods), None) or unheard(run, status)
    if told is not None:
        return told, None
    doubts = [*_podless(run, status, attempt, seen, len(pods), now), *_unstarted(run, pods, now)]
    due = next((trouble for left, trouble in doubts if left <= 0), None)
    return due, min((left for left, _ in doubts if left > 0), default=None)


def _told(pods: Sequence[Object]) -> Iterator[Trouble]:
    """Yield what pods say, what matters most first."""
    for pod in pods:
        for each in containers(pod):
            waiting = (each.get("state") or {}).get("waiting") or {}
            word = waiting.get("reason")
            if word in _WORDS:
                message = f"pod {pod['metadata']['name']}: {word}: {plain(waiting.get('message'))}"
                yield Trouble(reason=_WORDS[word], message=message)
    for pod in pods:
        if _lost(pod):
            message = f"pod {pod['metadata']['name']}: its node {_node(pod)} does not answer; the run goes on when the pod is gone"
            yield Trouble(reason="NodeLost", message=message)
    for pod in pods:
        for each in (pod.get("status") or {}).get("conditions") or ():
            if each.get("type") == "PodScheduled" and each.get("status") == "False":
                message = f"pod {pod['metadata']['name']}: {plain(each.get('message'))}"
                yield Trouble(reason="Unschedulable", message=message)


def _node(pod: Object) -> str | None:
    node: str | None = (pod.get("spec") or {}).get("nodeName")
    return node


def _lost(pod: Object) -> bool:
    """Whether a cluster has lost sight of a pod: it says itself that a pod is not ready whose containers last were."""
    running = (pod.get("status") or {}).get("phase") == "Running"
    return running and bool(condition(pod, "ContainersReady")) and not is_ready(pod)


def _podless(
    run: Run, status: WorkflowStatus, attempt: Attempt, seen: Observed, made: int, now: datetime
) -> Iterator[Doubt]:
    """Yield that pods are not made. Why is told in events of what was to make them, which not every operator may read."""
    waited = clock.waited(attempt, seen, status, now)
    if waited is None or made >= run.pods:
        return
    kind = attempt.kind.lower()
    asked = "whether the MPI Operator runs, and " if attempt.kind == "MPIJob" else ""
    message = (
        f"{attempt.kind} {attempt.name} has {made} of {run.pods} pods: see {asked}kubectl describe {kind} {attempt.name},"
        " a quota perhaps"
    )
    yield _MADE - waited, Trouble(reason="PodsMissing", message=message)


def _unstarted(run: Run, pods: Sequence[Object], now: datetime) -> Iterator[Doubt]:
    """Yield that pods have a node and do not start. Why is told in their events; once all is mounted, an image may take its time."""
    for pod in pods:
        placed = moment(condition(pod, "PodScheduled").get("lastTransitionTime"))
        waits = (pod.get("status") or {}).get("phase") == "Pending" and not condition(pod, "PodReadyToStartContainers")
        if placed is None or not waits:
            continue
        name, mounts = pod["metadata"]["name"], ", ".join(_mounts(run))
        what = f"what it mounts is not there yet ({mounts})" if mounts else "has not started"
        message = f"pod {name} has been on {_node(pod)} for a minute, and {what}: see kubectl describe pod {name}"
        yield _STARTED - (now - placed).total_seconds(), Trouble(reason="NotStarted", message=message)


def _mounts(run: Run) -> Iterator[str]:
    """Yield what every pod of a run has to find."""
    for volume in volumes_of(run)[0]:
        match volume:
            case {"configMap": {"optional": True}} | {"secret": {"optional": True}}:
                continue
            case {"configMap": {"name": name}}:
                yield f"ConfigMap {name}"
            case {"secret": {"secretName": name}}:
                yield f"Secret {name}"
            case {"persistentVolumeClaim": {"claimName": name}}:
                yield f"claim {name}"
