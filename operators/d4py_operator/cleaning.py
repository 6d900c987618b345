# SPDX-License-Identifier: Apache-2.0
"""What goes when an attempt or a run is over, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from d4py.resources import Unreadable
from d4py.resources.policies import RunPolicy
from d4py.resources.status import WorkflowStatus
from d4py_operator.attempts import child_of
from d4py_operator.decision import Deletion
from d4py_operator.objects import Object, key_of, moment, uid_of
from d4py_operator.observed import over
from d4py_operator.run import Run


def left_over(run: Run, status: WorkflowStatus, children: Sequence[Object]) -> Iterator[Deletion]:
    """Yield what is to go of attempts that are over: what still runs, and at the end of the run all of it where that is asked for."""
    last = status.last_attempt
    going = child_of(last, children) if last is not None and last.end_time is None else None
    everything = status.completion_time is not None and _policy(run).clean_pod_policy == "All"
    for child in children:
        stays = child is going or (over(child) and not everything)
        if not stays and not child["metadata"].get("deletionTimestamp"):
            yield Deletion(key=key_of(child), uid=uid_of(child))


def lifetime(run: Run, status: WorkflowStatus, now: datetime) -> float | None:
    """Return in how many seconds a run that is over is to go; None where it stays."""
    ended, ttl = moment(status.completion_time), _policy(run).ttl_seconds_after_finished
    return ttl - (now - ended).total_seconds() if ttl is not None and ended is not None else None


def _policy(run: Run) -> RunPolicy:
    try:
        return run.policy
    except Unreadable:
        return RunPolicy()
