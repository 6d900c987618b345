# SPDX-License-Identifier: Apache-2.0
"""What is sent to a cluster: a Workflow, and a ConfigMap with the files of a small one. Pure: nothing is asked of anyone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d4py import __version__
from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNTIME = f"d4py/runtime:{__version__}"
API_VERSION = "d4py.dev/v1alpha1"
LONGEST = 40  # letters of a name: what is made for a workflow has longer ones
LABELS = {"app.kubernetes.io/part-of": "d4py", "app.kubernetes.io/managed-by": "d4py"}

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run as it is ordered."""

    name: str
    namespace: str | None  # None: the one that whoever sends it is in
    mapping: str | None  # None: its template says it
    title: str  # of the workflow, for people
    files: Mapping[str, str] = field(default_factory=dict)  # of a small workflow; none: it is in the image
    module: str | None = None  # or a path, in the image
    variable: str | None = None  # that holds the graph
    image: str | None = None
    processes: int | None = None
    per_pe: Mapping[str, int] = field(default_factory=dict)  # instances of PEs
    parameters: Mapping[str, str] = field(default_factory=dict)
    iterations: int | None = None
    data: Mapping[str, Any] | None = None
    address: str | None = None  # of data
    more: Mapping[str, Any] = field(default_factory=dict)  # fields of the spec, laid over


def manifests(order: Order) -> list[Object]:
    """Return the objects that are to be created, the workflow last."""
    metadata: Object = {"name": order.name, "labels": dict(LABELS)}
    if order.namespace is not None:
        metadata["namespace"] = order.namespace
    workflow = {
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": {**metadata, "annotations": {"d4py.dev/title": order.title}},
        "spec": laid_over(_spec(order), order.more),
    }
    if not order.files:
        return [workflow]
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(order.files)}
    return [config_map, workflow]


def _spec(order: Order) -> Object:
    graph: Object = {"configMapRef": {"name": order.name}} if order.files else {"module": order.module}
    if order.variable:
        graph["object"] = order.variable
    spec: Object = {"graph": graph}
    image = order.image or (None if "templateRef" in order.more else RUNTIME)
    spec |= {name: value for name, value in (("image", image), ("mapping", order.mapping)) if value}
    if order.parameters:
        spec["args"] = dict(order.parameters)
    if order.address is not None:
        spec["inputs"] = {"uri": order.address}
    elif order.data is not None:
        spec["inputs"] = {"inline": json.dumps(order.data)}
    elif order.iterations is not None:
        spec["inputs"] = {"iterations": order.iterations}
    if order.mapping == "mpi" and order.processes:
        spec["mpi"] = {"ranks": order.processes}
        if "checkpoint" not in order.more:  # without a folder that pods share they are in one pod
            spec["mpi"]["slotsPerWorker"] = order.processes
    elif order.processes:
        spec["parallelism"] = {"processes": order.processes}
    if order.per_pe:
        spec.setdefault("parallelism", {})["perPE"] = dict(order.per_pe)
    return spec


def laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> Object:
    """Return a mapping with another laid over it: mappings are joined, all else is replaced, and what is null goes."""
    joined = dict(base)
    for name, value in over.items():
        if value is None:
            joined.pop(name, None)
        elif isinstance(value, dict) and isinstance(joined.get(name), dict):
            joined[name] = laid_over(joined[name], value)
        else:
            joined[name] = value
    return joined


def name_of(title: str, mark: str) -> str:
    """Return a name that Kubernetes takes, from what a workflow is called and a mark that tells its runs apart."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    words = words if words[:1].isalpha() else f"run-{words}".strip("-")
    return f"{words[: LONGEST - len(mark) - 1].strip('-')}-{mark}"


def checked_name(name: str) -> str:
    """Return a name that was given. Raises UsageError where Kubernetes would not take it."""
    if len(name) > LONGEST or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise UsageError(
            f"{name!r} is no name for a run on Kubernetes.",
            hint=f"Give --run-id at most {LONGEST} small letters, digits and dashes; the first is a letter.",
        )
    return name
