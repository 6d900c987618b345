# SPDX-License-Identifier: Apache-2.0
"""Whether a spec can be run at all: what schema and rules of the cluster cannot see, each refusal with its path."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from d4py.resources.policies import MAPPINGS
from d4py_operator.command import begin
from d4py_operator.objects import MANAGED_BY
from d4py_operator.run import Run

_OURS = ("d4py.dev/", MANAGED_BY, "app.kubernetes.io/", "batch.kubernetes.io/", "controller-uid", "job-name")
# What an overlay may say. Everything else is the operator's, or would weaken the restrictions.
_OVERLAY = {
    "affinity": dict, "topologySpreadConstraints": list, "hostAliases": list, "dnsConfig": dict, "dnsPolicy": str,
    "terminationGracePeriodSeconds": int, "runtimeClassName": str, "preemptionPolicy": str, "securityContext": dict,
}  # fmt: skip
_COMMAND = 120_000  # bytes: Linux starts nothing with a word of more than 131,071, and this one has further parts
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


def templateless(run: Run) -> Refusal | None:
    """Return that the template is not there which a run names. Raises Unreadable."""
    own = (run.thing.get("spec") or {}).get("templateRef") or {}
    name = run.spec.template_ref
    if own and name and run.template is None and not run.kept:
        return Refusal("TemplateMissing", "spec.templateRef.name", f"there is no WorkflowTemplate {name.name!r}")
    return None


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
    yield from _of_args(run)
    yield from _of_inputs(run)
    yield from _of_checkpoint(run)
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
    if mapping == "mpi" and run.processes is not None:
        yield Refusal(
            "InvalidSpec", "spec.parallelism.processes", "the mapping mpi has ranks, not processes: use mpi.ranks"
        )
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


def _of_args(run: Run) -> Iterator[Refusal]:
    size = len(shlex.join(begin(run)).encode())
    if size > _COMMAND:
        yield Refusal(
            "InvalidSpec",
            "spec.args",
            f"make a command of {size:,} bytes, and one may have {_COMMAND:,}: give what is long as a file, by inputs or volumes",
        )


def _of_inputs(run: Run) -> Iterator[Refusal]:
    uri = run.spec.inputs.uri if run.spec.inputs else None
    if uri and not uri.startswith("file:") and run.spec.network_policy == "Isolated":
        yield Refusal(
            "InvalidSpec",
            "spec.inputs.uri",
            "pods that are Isolated fetch nothing: give inputs by a claim, or leave out networkPolicy",
        )


def _of_checkpoint(run: Run) -> Iterator[Refusal]:
    if run.mapping == "mpi" and run.pods > 1 and run.spec.checkpoint is None:
        yield Refusal(
            "InvalidSpec",
            "spec.checkpoint",
            f"is missing: ranks in {run.pods} pods share the run's folder; give checkpoint.volume, or mpi.slotsPerWorker: {run.ranks}",
        )
    if run.spec.snapshot_nonce is not None:
        yield from unsnapshotable(run)


def unsnapshotable(run: Run) -> Iterator[Refusal]:
    """Yield why a checkpoint cannot be taken and gone on from."""
    if not run.continues:
        yield Refusal(
            "InvalidSpec",
            "spec.snapshotNonce",
            "needs a checkpoint to go on from: give checkpoint.volume, with upgradeMode Checkpoint, or leave it out",
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
