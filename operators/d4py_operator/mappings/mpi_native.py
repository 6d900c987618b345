# SPDX-License-Identifier: Apache-2.0
"""mpi with nothing else installed: an Indexed Job whose pods reach each other by name and by ssh; the first of them starts the ranks."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from d4py_operator.command import first, ranks
from d4py_operator.pods import job, resources, template
from d4py_operator.ranks import HOME, PORT, SERVER, SSH, known, launch, listening, mpich, passing, served, variables

if TYPE_CHECKING:
    from d4py_operator.objects import Object
    from d4py_operator.run import Run

LAUNCHES = "Job"
_HOSTS = "/tmp/hosts"  # noqa: S108 - in the pod's own folder
_LIST = """pod=0
while [ "$pod" -lt {pods} ]; do echo "{job}-$pod.{service}{slots}"; pod=$((pod + 1)); done >{hosts}
"""


def objects(run: Run, attempt: int) -> list[Object]:
    """Return a Service for names and a Secret that is given its keys when it is made, which serve all attempts, and the Job."""
    name = run.beside
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": run.metadata(name),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": run.selector,
            "ports": [{"name": "ssh", "port": PORT}],
        },
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": run.metadata(name), "type": "Opaque"}
    keys = [{"name": "d4py-ssh", "secret": {"secretName": name, "defaultMode": 0o440}}]
    pod = template(run, attempt, _container(run, attempt), role="worker", volumes=keys)
    pod["spec"]["subdomain"] = name
    indexed = {
        "completionMode": "Indexed",
        "completions": run.pods,
        "parallelism": run.pods,
        # the others serve until they are told to end
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    }
    return [service, secret, job(run, attempt, pod, **indexed)]


def _container(run: Run, attempt: int) -> Object:
    """Return the container of every pod: all serve, and the first also starts the ranks."""
    slots = f":{run.slots}" if mpich(run) else f" slots={run.slots}"
    words = {"pods": run.pods, "job": run.child(attempt), "service": run.beside, "slots": slots}
    gather = _LIST.format(**words, hosts=_HOSTS) + known(_HOSTS, inf)  # pods start in any order, and when there is room
    script = f'if [ "$JOB_COMPLETION_INDEX" != 0 ]; then\n{served()}fi\n{HOME}{SERVER} &\n'
    script += ranks(run, launch(run, _HOSTS), before=gather + passing(run))
    asked = run.spec.resources.worker if run.spec.resources else None
    return {
        "name": "d4py",
        "command": first(script),
        "env": variables(run),
        "readinessProbe": listening(),
        "volumeMounts": [{"name": "d4py-ssh", "mountPath": SSH, "readOnly": True}],
        **resources(asked, run.slots),
    }
