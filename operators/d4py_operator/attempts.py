# SPDX-License-Identifier: Apache-2.0
"""Attempts, as the Jobs and MPIJobs tell of them that were made for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from d4py.resources.status import Attempt, WorkflowStatus
from d4py_operator.objects import ATTEMPT, Object, labels_of, stamp, uid_of


def numbers(children: Sequence[Object]) -> list[int]:
    """Return the numbers of attempts that children are of."""
    labels = [labels_of(child).get(ATTEMPT, "") for child in children]
    return [int(number) for number in labels if number.isascii() and number.isdigit() and len(number) < 7]


def newest(children: Sequence[Object], now: datetime) -> Attempt | None:
    """Return the newest attempt that children are of; None where there are none."""
    if not numbers(children):
        return None
    number = max(numbers(children))
    child = next(child for child in children if labels_of(child).get(ATTEMPT) == str(number))
    name, kind = child["metadata"]["name"], child["kind"]
    return Attempt(number=number, name=name, kind=kind, uid=uid_of(child), created_time=stamp(now))


def child_of(attempt: Attempt, children: Sequence[Object]) -> Object | None:
    """Return the Job or MPIJob of an attempt; None where there is none."""
    for child in children:
        if (child["kind"], child["metadata"]["name"]) == (attempt.kind, attempt.name):
            return child
    return None


def pods_of(attempt: Attempt, launched: Object | None, pods: Sequence[Object]) -> list[Object]:
    """Return the pods of an attempt: those of one before may still be there."""
    number = labels_of(launched).get(ATTEMPT) if launched else str(attempt.number)
    return [pod for pod in pods if labels_of(pod).get(ATTEMPT) == number]


def unmade(status: WorkflowStatus, children: Sequence[Object]) -> bool:
    """Whether nothing was ever made of a run though an attempt is noted: the cluster, or what its template lacks, hinders it."""
    noted = [*status.history, *([status.last_attempt] if status.last_attempt else [])]
    return status.reason != "Created" and not children and not any(attempt.uid for attempt in noted)
