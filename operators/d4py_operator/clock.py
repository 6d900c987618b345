# SPDX-License-Identifier: Apache-2.0
"""The time of a run that counts. Towards its deadline: not while it waits in a queue, and anew when it goes on after it was suspended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from d4py.resources.status import Attempt, WorkflowStatus
from d4py_operator.objects import moment, stamp
from d4py_operator.observed import Observed


def counted(status: WorkflowStatus, seen: Observed, now: datetime) -> WorkflowStatus:
    """Count from when pods run, their images pulled, and not on while its queue holds it."""
    begun = moment(status.active_since)
    if seen.queued and begun is not None:
        spent = (status.active_seconds or 0) + max(0, round((now - begun).total_seconds()))
        return replace(status, active_since=None, active_seconds=spent)
    if begun is None and seen.started is not None and not seen.queued:
        since = max(seen.started, seen.let or seen.started)
        return replace(status, active_since=stamp(since), active_seconds=status.active_seconds or 0)
    return status


def anew(status: WorkflowStatus) -> WorkflowStatus:
    """Count from nothing when it goes on."""
    return replace(status, active_since=None, active_seconds=0)


def taken_over(status: WorkflowStatus) -> WorkflowStatus:
    """Read what an operator before this one counted: from the first start, or since a condition said that the run was resumed."""
    begun = moment(status.start_time)
    if begun is None or status.completion_time or status.active_seconds is not None:
        return status
    if status.phase in ("Queued", "Suspending", "Suspended"):
        return anew(status)
    resumed = [each for each in status.conditions if (each.type, each.status) == ("Suspended", "False")]
    since = max([begun, *filter(None, (moment(each.last_transition_time) for each in resumed))])
    return replace(status, active_since=stamp(since), active_seconds=0)


def left(limit: int | None, status: WorkflowStatus, now: datetime) -> float | None:
    """Return in how many seconds a run will have taken as long as it may; None where that is not in sight."""
    begun = moment(status.active_since)
    if not limit or begun is None:
        return None
    return limit - (status.active_seconds or 0) - (now - begun).total_seconds()


def starting_since(attempt: Attempt, seen: Observed, status: WorkflowStatus, now: datetime) -> datetime | None:
    """Return since when an attempt may start: neither time in a queue counts, nor the time before its Job could be made."""
    if status.phase == "Queued":
        return now  # it was let go just now
    admitted = [each for each in status.conditions if (each.type, each.status) == ("Admitted", "True")]
    times = [moment(attempt.created_time), seen.let, *(moment(each.last_transition_time) for each in admitted)]
    return max((time for time in times if time is not None), default=None)


def waited(attempt: Attempt, seen: Observed, status: WorkflowStatus, now: datetime) -> float | None:
    """Return for how many seconds an attempt has been about to start; None where it has started, or its queue holds it."""
    begun = starting_since(attempt, seen, status, now)
    if seen.queued or attempt.start_time or begun is None:
        return None
    return (now - begun).total_seconds()
