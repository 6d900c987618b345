# SPDX-License-Identifier: Apache-2.0
"""Why the operator itself ends an attempt, and how long it waits before another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from d4py.resources.policies import Backoff
from d4py.resources.status import Attempt, WorkflowStatus
from d4py_operator import clock
from d4py_operator.accept import unsnapshotable
from d4py_operator.observed import End, Observed, Trouble
from d4py_operator.run import Run

ENDS = {
    "Suspended": End(reason="Suspended", message="it was suspended", counts=False),
    "Snapshot": End(reason="Snapshot", message="it was ended for a checkpoint, as snapshotNonce asked", counts=False),
    "Deadline": End(reason="Deadline", message="it took longer than runPolicy.activeDeadlineSeconds", again=False),
    "StartDeadline": End(
        reason="StartDeadline", message="it did not start within runPolicy.startDeadlineSeconds", again=False
    ),
}


def to_stop(
    run: Run, status: WorkflowStatus, attempt: Attempt, seen: Observed | None, now: datetime
) -> tuple[str | None, float | None]:
    """Return why an attempt is to be ended now, else in how many seconds it may have to be. seen: None where its Job is not."""
    policy = run.policy
    if attempt.reason is not None:
        return attempt.reason, None  # noted already
    if policy.suspend:
        return "Suspended", None
    if seen is not None and run.continues and _asked(run, status):
        return "Snapshot", None
    limit = policy.start_deadline_seconds
    waited = clock.waited(attempt, seen, status, now) if seen is not None else None
    known = {
        "Deadline": clock.left(policy.active_deadline_seconds, status, now),
        "StartDeadline": limit - waited if limit and waited is not None else None,
    }
    left = {reason: seconds for reason, seconds in known.items() if seconds is not None}
    due = next((reason for reason, seconds in left.items() if seconds <= 0), None)
    return due, min(left.values(), default=None)


def _asked(run: Run, status: WorkflowStatus) -> bool:
    """Whether a checkpoint is asked for that was not acted on."""
    return run.spec.snapshot_nonce not in (None, status.snapshot_nonce)


def heard(run: Run, status: WorkflowStatus, seen: Observed) -> WorkflowStatus:
    """Note that a checkpoint was asked for where nothing runs: there is none to make."""
    if _asked(run, status) and seen.running:
        return status
    return replace(status, snapshot_nonce=run.spec.snapshot_nonce)


def unheard(run: Run, status: WorkflowStatus) -> Trouble | None:
    """Return why a checkpoint that is asked for is not made."""
    if not _asked(run, status) or run.continues:
        return None
    return next((Trouble(reason=each.reason, message=str(each)) for each in unsnapshotable(run)), None)


def delay(backoff: Backoff, failures: int) -> float:
    """Return how many seconds are waited after so many failures; after what is none, such as a drained node, as after the first."""
    first = 10 if backoff.initial_seconds is None else backoff.initial_seconds
    most = 300 if backoff.max_seconds is None else backoff.max_seconds
    factor = backoff.factor or 2
    return float(min(most, first * factor ** min(max(failures, 1) - 1, 30)))
