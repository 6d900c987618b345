# SPDX-License-Identifier: Apache-2.0
"""multi: a Job with one pod, a processor for each process, and shared memory for arrays on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py_operator.command import alone
from d4py_operator.pods import job, resources, template

if TYPE_CHECKING:
    from d4py_operator.objects import Object
    from d4py_operator.run import Run

LAUNCHES = "Job"
SHARED = "1Gi"  # the most of it, where nothing is said


def objects(run: Run, attempt: int) -> list[Object]:
    """Return the Job."""
    asked = run.spec.resources.worker if run.spec.resources else None
    limit = (run.spec.multi.shm_size_limit if run.spec.multi else None) or SHARED
    container = {
        "name": "d4py",
        "command": alone(run),
        "volumeMounts": [{"name": "d4py-shm", "mountPath": "/dev/shm"}],  # noqa: S108 - in the pod
        **resources(asked, run.processes),
    }
    memory = [{"name": "d4py-shm", "emptyDir": {"medium": "Memory", "sizeLimit": limit}}]
    return [job(run, attempt, template(run, attempt, container, role="driver", volumes=memory))]
