# SPDX-License-Identifier: Apache-2.0
"""mpi with the MPI Operator: an MPIJob, whose launcher waits until its workers are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py_operator.command import first, ranks
from d4py_operator.pods import resources, template
from d4py_operator.ranks import SSH, known, launch, listening, mpich, passing, served, variables

if TYPE_CHECKING:
    from d4py_operator.objects import Object
    from d4py_operator.run import Run

LAUNCHES = "MPIJob"
API = "kubeflow.org/v2beta1"
_HOSTS = "/etc/mpi/hostfile"  # the MPI Operator puts it there
_PATIENCE = 60.0  # seconds in which workers that are ready are to be known


def objects(run: Run, attempt: int) -> list[Object]:
    """Return the MPIJob."""
    asked = run.spec.resources
    scheduling = run.spec.scheduling
    metadata = run.metadata(run.child(attempt), attempt=str(attempt))
    policy: dict[str, Any] = {"cleanPodPolicy": _kept(run), "backoffLimit": 0}
    if scheduling and scheduling.queue_name:
        metadata["labels"]["kueue.x-k8s.io/queue-name"] = scheduling.queue_name
        policy["suspend"] = True
    if scheduling is None or scheduling.gang is not False:
        policy["schedulingPolicy"] = {"minAvailable": run.pods + 1}
    # Workers of MPICH call their launcher by its name.
    found = known(_HOSTS, _PATIENCE, run.child(attempt) if mpich(run) else "")
    launcher = {
        "name": "launcher",
        "command": first(ranks(run, launch(run, _HOSTS), before=found + passing(run))),
        "env": variables(run),
        **resources(asked.launcher if asked else None),
    }
    worker = {
        "name": "worker",
        "command": first(served()),
        "env": variables(run),
        "readinessProbe": listening(),
        **resources(asked.worker if asked else None, run.slots),
    }
    return [
        {
            "apiVersion": API,
            "kind": LAUNCHES,
            "metadata": metadata,
            "spec": {
                "slotsPerWorker": run.slots,
                "sshAuthMountPath": SSH,
                "mpiImplementation": (run.spec.mpi.implementation if run.spec.mpi else None) or "OpenMPI",
                "launcherCreationPolicy": "WaitForWorkersReady",
                "runPolicy": policy,
                "mpiReplicaSpecs": {
                    "Launcher": {
                        "replicas": 1,
                        "restartPolicy": "Never",
                        "template": template(run, attempt, launcher, role="driver"),
                    },
                    "Worker": {"replicas": run.pods, "template": template(run, attempt, worker, role="worker")},
                },
            },
        },
    ]


def _kept(run: Run) -> str:
    """Return which pods the MPI Operator deletes at the end. All of them go with their MPIJob, which is the operator's to delete."""
    return "None" if run.policy.clean_pod_policy == "None" else "Running"
