# SPDX-License-Identifier: Apache-2.0
"""mpi with nothing else installed: an Indexed Job whose pods reach each other by name and by ssh; the first of them starts the ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py_operator.command import ranks
from d4py_operator.pods import job, resources, template
from d4py_operator.ranks import HOSTS, PORT, SSH, launch, listening, passing, server, variables

if TYPE_CHECKING:
    from d4py_operator.objects import Object
    from d4py_operator.run import Run

LAUNCHES = "Job"
# Pods start in any order, and names are known a little later than pods: wait until all of them listen.
_WAIT = """mkdir -p "$HOME"
for host in $(sed 's/[ :].*//' {hosts}); do
    until python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], {port}), 2)' "$host" 2>/dev/null; do sleep 0.5; done
done
"""


def objects(run: Run, attempt: int) -> list[Object]:
    """Return a Service for names, a ConfigMap with the hosts, a Secret that is given its keys when it is made, and the Job."""
    name = run.beside(attempt)
    labels = {"attempt": str(attempt)}
    slots = f" slots={run.slots}" if (run.spec.mpi and run.spec.mpi.implementation) != "MPICH" else f":{run.slots}"
    hosts = "".join(f"{run.child(attempt)}-{index}.{name}{slots}\n" for index in range(run.pods))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": run.metadata(name, **labels),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": run.child(attempt)},
            "ports": [{"name": "ssh", "port": PORT}],
        },
    }
    listed = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": run.metadata(name, **labels),
        "data": {"hosts": hosts},
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": run.metadata(name, **labels), "type": "Opaque"}
    pod = template(run, attempt, _container(run), role="worker", volumes=_volumes(name))
    pod["spec"]["subdomain"] = name
    indexed = {
        "completionMode": "Indexed",
        "completions": run.pods,
        "parallelism": run.pods,
        # the others serve until they are told to end
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    }
    return [service, listed, secret, job(run, attempt, pod, **indexed)]


def _container(run: Run) -> Object:
    """Return the container of every pod: all serve, and the first also starts the ranks."""
    wait = _WAIT.format(hosts=f"{HOSTS}/hosts", port=PORT)
    first = ranks(run, launch(run, f"{HOSTS}/hosts"), before=wait + passing(run))[-1]
    serve = server()[-1]
    script = f'if [ "$JOB_COMPLETION_INDEX" != 0 ]; then\n{serve}fi\n({serve}) &\n{first}'
    asked = run.spec.resources.worker if run.spec.resources else None
    return {
        "name": "d4py",
        "command": ["/bin/sh", "-c", script],
        "env": variables(run),
        "readinessProbe": listening(),
        "volumeMounts": [
            {"name": "d4py-ssh", "mountPath": SSH, "readOnly": True},
            {"name": "d4py-hosts", "mountPath": HOSTS, "readOnly": True},
        ],
        **resources(asked, run.slots),
    }


def _volumes(name: str) -> list[Object]:
    return [
        {"name": "d4py-ssh", "secret": {"secretName": name, "defaultMode": 0o440}},
        {"name": "d4py-hosts", "configMap": {"name": name}},
    ]
