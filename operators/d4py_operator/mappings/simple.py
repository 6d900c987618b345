# SPDX-License-Identifier: Apache-2.0
"""simple: a Job with one pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py_operator.command import alone
from d4py_operator.pods import job, resources, template

if TYPE_CHECKING:
    from d4py_operator.objects import Object
    from d4py_operator.run import Run

LAUNCHES = "Job"


def objects(run: Run, attempt: int) -> list[Object]:
    """Return the Job."""
    asked = run.spec.resources.worker if run.spec.resources else None
    container = {"name": "d4py", "command": alone(run), **resources(asked)}
    return [job(run, attempt, template(run, attempt, container, role="driver"))]
