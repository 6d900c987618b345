# SPDX-License-Identifier: Apache-2.0
"""Why the operator itself ends an attempt, and how long it waits before another."""

from __future__ import annotations

from d4py.resources.policies import Backoff
from d4py_operator.observed import End

ENDS = {
    "Suspended": End(reason="Suspended", message="it was suspended", counts=False),
    "Deadline": End(reason="Deadline", message="it took longer than runPolicy.activeDeadlineSeconds", again=False),
    "StartDeadline": End(
        reason="StartDeadline", message="it did not start within runPolicy.startDeadlineSeconds", again=False
    ),
}


def delay(backoff: Backoff, attempts: int) -> float:
    """Return how many seconds are waited after so many attempts."""
    first = 10 if backoff.initial_seconds is None else backoff.initial_seconds
    most = 300 if backoff.max_seconds is None else backoff.max_seconds
    factor = backoff.factor or 2
    return float(min(most, first * factor ** min(attempts - 1, 30)))
