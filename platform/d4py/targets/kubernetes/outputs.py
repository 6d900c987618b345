# SPDX-License-Identifier: Apache-2.0
"""The outputs of a run, read from their claim by a pod that lives as long as it takes."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError
from d4py.targets.kubernetes.manifest import LABELS, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.targets.kubernetes.run import Run

_PLACE = "/outputs"
_PATIENCE = 120.0  # seconds for the pod to be placed and begun
_LOOK = 0.3
_POD = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def lines(run: Run) -> Iterator[str]:
    """Yield the outputs of a run, each a JSON object. Raises StateError where it keeps none."""
    workflow = run.look()
    address = (workflow.get("status") or {}).get("outputs") or ""
    scheme, _, rest = address.partition("://")
    claim, _, path = rest.partition("/")
    if scheme != "pvc":
        raise StateError(
            f"The run {run.id!r} keeps its outputs {f'in {address}' if address else 'nowhere'}.",
            hint="Submit it with outputs.volume.claimName in --values FILE.",
        )
    with _reader(run, reader(workflow, claim, path)) as pod:
        yield from run.cluster.log(pod, follow=True)
        _check(run, pod)


def reader(workflow: dict[str, Any], claim: str, path: str) -> dict[str, Any]:
    """Return a pod that prints a file of a claim. Pure."""
    name = f"{workflow['metadata']['name']}-outputs-{os.urandom(3).hex()}"
    spec = workflow["spec"]
    container = {
        "name": "reader",
        "image": spec.get("image") or RUNTIME,
        **({"imagePullPolicy": spec["imagePullPolicy"]} if "imagePullPolicy" in spec else {}),
        "command": ["sh", "-c", 'exec cat "$0" 2>/dev/null', f"{_PLACE}/{path}"],
        "securityContext": _CONTAINER,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "volumeMounts": [{"name": "outputs", "mountPath": _PLACE, "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": 3600,
            "securityContext": _POD,
            **({"imagePullSecrets": spec["imagePullSecrets"]} if "imagePullSecrets" in spec else {}),
            "containers": [container],
            "volumes": [{"name": "outputs", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}],
        },
    }


@contextmanager
def _reader(run: Run, pod: dict[str, Any]) -> Iterator[str]:
    """Have a pod while it is needed, from when it has begun."""
    name = pod["metadata"]["name"]
    run.cluster.create_pod(pod)
    try:
        until = time.monotonic() + _PATIENCE
        while run.cluster.pod(name)["status"].get("phase", "Pending") == "Pending":
            if time.monotonic() > until:
                raise StateError(
                    f"The pod {name!r} that is to read the outputs does not begin.",
                    hint=f"kubectl --namespace {run.cluster.namespace} get events says why.",
                )
            time.sleep(_LOOK)
        yield name
    finally:
        run.cluster.delete_pod(name)


def _check(run: Run, name: str) -> None:
    """Raise StateError where the file could not be read."""
    until = time.monotonic() + _PATIENCE
    while (phase := run.cluster.pod(name)["status"]["phase"]) == "Running" and time.monotonic() < until:
        time.sleep(_LOOK)
    if phase != "Succeeded":
        raise StateError(
            f"The outputs of {run.id!r} cannot be read.", hint="They are there once the run has committed some."
        )
