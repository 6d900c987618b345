# SPDX-License-Identifier: Apache-2.0
"""A pod that has a claim for as long as something of it is read: a claim may be in reach of no one else."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError
from d4py.targets.kubernetes.manifest import API_VERSION, LABELS, RUNTIME, laid_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.targets.kubernetes.client import Cluster

_PLACE = "/outputs"
_PATIENCE = 120.0  # seconds for the pod to be placed and begun
_LONGEST = 3600  # seconds that it lives, should whoever made it be gone
_LOOK = 0.3
_PLACED = ("nodeSelector", "tolerations", "priorityClassName", "schedulerName")
_POD = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


class Reader:
    """Reads files of the claim."""

    def __init__(self, cluster: Cluster, pod: str) -> None:
        self._cluster, self._pod = cluster, pod

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file, block by block. Raises StateError where it cannot be read."""
        yield from self._cluster.said(self._pod, ["cat", f"{_PLACE}/{path}"])


@contextmanager
def reader(cluster: Cluster, workflow: dict[str, Any], claim: str) -> Iterator[Reader]:
    """Have a pod while it is needed, from when it has begun."""
    pod = manifest(workflow, claim)
    name = pod["metadata"]["name"]
    cluster.create_pod(pod)
    try:
        until = time.monotonic() + _PATIENCE
        while (phase := cluster.pod(name)["status"].get("phase", "Pending")) != "Running":
            if phase != "Pending" or time.monotonic() > until:
                raise StateError(
                    f"The pod {name!r} that is to read the outputs does not begin.",
                    hint=f"kubectl --namespace {cluster.namespace} get events says why.",
                )
            time.sleep(_LOOK)
        yield Reader(cluster, name)
    finally:
        cluster.delete_pod(name)


def manifest(workflow: dict[str, Any], claim: str) -> dict[str, Any]:
    """Return the pod: the run's image, user and place, for it starts where those do; the claim, and no rights. Pure."""
    metadata = workflow["metadata"]
    name = f"{metadata['name']}-outputs-{os.urandom(3).hex()}"
    spec = _counting(workflow)
    container = {
        "name": "reader",
        "image": _image(workflow, spec),
        **_some(spec, "imagePullPolicy"),
        "command": ["sleep", str(_LONGEST)],
        "securityContext": _CONTAINER,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "volumeMounts": [{"name": "outputs", "mountPath": _PLACE, "readOnly": True}],
    }
    overlay = (spec.get("template") or {}).get("spec") or {}
    owner = {"apiVersion": API_VERSION, "kind": "Workflow", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        # Whoever makes it may be killed before it is deleted.
        "metadata": {"name": name, "labels": dict(LABELS), "ownerReferences": [owner]},
        "spec": {
            **_some(spec, "imagePullSecrets", "serviceAccountName"),
            **_some(spec.get("scheduling") or {}, *_PLACED),
            **_some(overlay, "affinity", "runtimeClassName"),
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": _LONGEST,
            "securityContext": {**_POD, **(overlay.get("securityContext") or {})},
            "containers": [container],
            "volumes": [{"name": "outputs", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}],
        },
    }


def _counting(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the spec that the run was made from: its own over that of its template, as it was when the run began."""
    return laid_over((workflow.get("status") or {}).get("template") or {}, workflow["spec"])


def _image(workflow: dict[str, Any], spec: dict[str, Any]) -> str:
    """Return the name of the run's image. Where nobody has it, what ran will do, unless it is known by its id only."""
    ran = str(((workflow.get("status") or {}).get("image") or {}).get("resolvedDigest") or "")
    return str(spec.get("image") or (ran if "@" in ran else RUNTIME))


def _some(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name)}
