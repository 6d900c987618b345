# SPDX-License-Identifier: Apache-2.0
"""Whether a spec can be run at all: what schema and rules of the cluster cannot see, each refusal with its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from d4py.resources.policies import MAPPINGS
from d4py_operator.objects import MANAGED_BY
from d4py_operator.run import Run

_OURS = ("d4py.dev/", MANAGED_BY, "app.kubernetes.io/", "batch.kubernetes.io/", "controller-uid", "job-name")
# What an overlay may say. Everything else is the operator's, or would weaken the restrictions.
_OVERLAY = {
    "affinity": dict, "topologySpreadConstraints": list, "hostAliases": list, "dnsConfig": dict, "dnsPolicy": str,
    "terminationGracePeriodSeconds": int, "runtimeClassName": str, "preemptionPolicy": str, "securityContext": dict,
}  # fmt: skip
_CONTEXT = ("runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy", "supplementalGroups")


class Refusal(NamedTuple):
    """Why a workflow is not run: the path of what is wrong, and what is."""

    reason: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def refusal(run: Run, served: frozenset[str]) -> Refusal | None:
    """Return the first thing that is wrong with a run; None where nothing is. Raises Unreadable for what its types do not allow."""
    return next(_refusals(run, served), None)


def _refusals(run: Run, served: frozenset[str]) -> Iterator[Refusal]:
    spec = run.spec
    if spec.graph is None:
        yield Refusal("InvalidSpec", "spec.graph", "is missing")
        return
    if run.mapping not in MAPPINGS:
        yield Refusal("MappingMissing", "spec.mapping", f"there is no mapping {run.mapping!r}")
        return
    if not spec.image:
        yield Refusal("InvalidSpec", "spec.image", "is missing: name an image with d4py and what the workflow needs")
    yield from _of_mapping(run, served)
    yield from _of_volumes(run)
    overlay = spec.template
    if overlay is None:
        return
    for name in overlay.labels:
        if name.startswith(_OURS):
            yield Refusal("InvalidSpec", f"spec.template.labels.{name}", "is set by the operator")
    yield from _of_overlay(overlay.spec)


def _of_mapping(run: Run, served: frozenset[str]) -> Iterator[Refusal]:
    spec, mapping = run.spec, run.mapping
    if mapping == "mpi" and spec.mpi is None:
        yield Refusal("InvalidSpec", "spec.mpi", "is missing: the mapping mpi needs mpi.ranks")
    if mapping != "mpi" and spec.mpi is not None:
        yield Refusal("InvalidSpec", "spec.mpi", f"is for the mapping mpi, not {mapping}")
    if mapping != "multi" and spec.multi is not None:
        yield Refusal("InvalidSpec", "spec.multi", f"is for the mapping multi, not {mapping}")
    if mapping == "mpi" and spec.parallelism is not None:
        yield Refusal("InvalidSpec", "spec.parallelism", "the mapping mpi has ranks, not processes: use mpi.ranks")
    if mapping == "simple" and (run.processes or 1) > 1:
        yield Refusal("InvalidSpec", "spec.parallelism.processes", "the mapping simple has one process")
    if spec.mpi is not None and run.ranks % run.slots:
        yield Refusal("InvalidSpec", "spec.mpi.ranks", f"{run.ranks} is not a multiple of slotsPerWorker, {run.slots}")
    if spec.mpi is not None and spec.mpi.launcher == "MPIJob" and "MPIJob" not in served:
        yield Refusal(
            "MappingMissing",
            "spec.mpi.launcher",
            "this cluster has no MPIJob of kubeflow.org/v2beta1: install the MPI Operator, or use Native",
        )


def _of_volumes(run: Run) -> Iterator[Refusal]:
    seen: dict[str, str] = {}
    for number, volume in enumerate(run.spec.volumes):
        if volume.mount_path in seen:
            yield Refusal(
                "InvalidSpec",
                f"spec.volumes[{number}].mountPath",
                f"{volume.mount_path} is that of {seen[volume.mount_path]}",
            )
        seen[volume.mount_path] = volume.name
    _, folder = run.outputs
    uri = run.spec.outputs.uri if run.spec.outputs else None
    if uri and uri.startswith("file://"):
        held = [volume for volume in run.spec.volumes if f"{folder}/".startswith(f"{volume.mount_path}/")]
        if not held or all(volume.read_only for volume in held):
            yield Refusal(
                "InvalidSpec", "spec.outputs.uri", f"{folder} is on no volume of the workflow that pods may write"
            )


def _of_overlay(overlay: dict[str, Any]) -> Iterator[Refusal]:
    for name, value in overlay.items():
        place = f"spec.template.spec.{name}"
        if name not in _OVERLAY:
            yield Refusal("InvalidSpec", place, f"is not to be set; what may be is {', '.join(_OVERLAY)}")
        elif type(value) is not _OVERLAY[name]:
            yield Refusal("InvalidSpec", place, f"is of type {type(value).__name__}, not {_OVERLAY[name].__name__}")
        elif name == "securityContext" and isinstance(value, dict):
            yield from _of_context(value, place)


def _of_context(context: dict[str, Any], place: str) -> Iterator[Refusal]:
    for name, value in context.items():
        if name not in _CONTEXT:
            yield Refusal("InvalidSpec", f"{place}.{name}", f"is not to be set; what may be is {', '.join(_CONTEXT)}")
        elif name in ("runAsUser", "runAsGroup", "fsGroup") and (type(value) is not int or value < 1):
            yield Refusal("InvalidSpec", f"{place}.{name}", "is no number above 0: pods do not run as root")
