# SPDX-License-Identifier: Apache-2.0
"""The definitions of the custom resources, as a cluster is given them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from d4py.resources.cron import CronWorkflow
from d4py.resources.described import Described, described, key
from d4py.resources.schema import schema_of
from d4py.resources.template import WorkflowTemplate
from d4py.resources.workflow import CHANGEABLE, CHANGEABLE_WITHIN, GROUP, VERSION, Workflow, WorkflowSpec
from d4py.resources.yaml import document

# How a cluster is told of them: in the name of helm, which installs nothing over what another owns.
APPLY = "d4py crds | kubectl apply --server-side --force-conflicts --field-manager=helm -f -"
_STAYS = "does not change once the workflow is there"
Column = tuple[str, str, str, int]  # name, type, where it is, priority: 0 is always shown


class Kind(NamedTuple):
    """A kind of object, and how a cluster is to call and show it."""

    type: type[Described]
    plural: str
    short: str
    columns: tuple[Column, ...]
    scale: bool = False
    status: bool = False

    @property
    def name(self) -> str:
        """Its name: Workflow ..."""
        return self.type.__name__


_AGE: Column = ("Age", "date", ".metadata.creationTimestamp", 0)
KINDS = (
    Kind(
        Workflow,
        "workflows",
        "d4wf",
        (
            ("Mapping", "string", ".status.mapping", 0),
            ("Phase", "string", ".status.phase", 0),
            ("Ready", "string", ".status.ready", 0),
            ("Items", "integer", ".status.items.written", 0),
            ("Attempts", "integer", ".status.attempts", 0),
            _AGE,
            ("Image", "string", ".spec.image", 1),
            ("Queue", "string", ".spec.scheduling.queueName", 1),
            ("Reason", "string", ".status.reason", 1),
        ),
        scale=True,
        status=True,
    ),
    Kind(
        WorkflowTemplate,
        "workflowtemplates",
        "d4wft",
        (("Mapping", "string", ".spec.mapping", 0), ("Image", "string", ".spec.image", 1), _AGE),
    ),
    Kind(
        CronWorkflow,
        "cronworkflows",
        "d4cwf",
        (
            ("Schedule", "string", ".spec.schedule", 0),
            ("Zone", "string", ".spec.timeZone", 1),
            ("Suspend", "boolean", ".spec.suspend", 0),
            ("Last", "date", ".status.lastScheduleTime", 0),
            ("Reason", "string", ".status.reason", 1),
            _AGE,
        ),
        status=True,
    ),
)


def staying() -> list[tuple[str, ...]]:
    """Return the paths below spec of the fields that stay as they are once a workflow is there."""
    fields = [name for entry, _ in described(WorkflowSpec) if (name := key(entry)) not in CHANGEABLE]
    own = [(name,) for name in fields if name not in CHANGEABLE_WITHIN]
    return [*own, *((outer, name) for outer in CHANGEABLE_WITHIN for name in _staying_within(outer))]


def _staying_within(outer: str) -> list[str]:
    kind, changeable = CHANGEABLE_WITHIN[outer]
    return [name for entry, _ in described(kind) if (name := key(entry)) not in changeable]


def _schema(kind: Kind) -> dict[str, Any]:
    """Return the schema of a kind.

    That a field stays is a rule of the field: a cluster carries out rules of fields that are there only, and does so at each update, also of the
    status. That none comes or goes is one rule of them all.
    """
    schema = schema_of(kind.type)
    if kind.type is Workflow:
        spec = schema["properties"]["spec"]
        for path in staying():
            field = spec
            for name in path:
                field = field["properties"][name]
            rule = {"rule": "self == oldSelf", "message": f"{'.'.join(path)} {_STAYS}"}
            field.setdefault("x-kubernetes-validations", []).append(rule)
        spec["x-kubernetes-validations"] += [
            {"rule": rule, "message": f"what is given {_STAYS}"} for rule in _presence()
        ]
    return schema


def _presence() -> Iterator[str]:
    """Yield the rules that no field that stays comes or goes. Optional fields (`.?name`) would read better; a cluster cannot tell what they cost."""
    own = [path[0] for path in staying() if len(path) == 1]
    yield " && ".join(f"has(self.{name}) == has(oldSelf.{name})" for name in own)
    for outer in CHANGEABLE_WITHIN:
        names = _staying_within(outer)
        both = f"!has(self.{outer}) || !has(oldSelf.{outer})"
        same = " && ".join(f"has(self.{outer}.{name}) == has(oldSelf.{outer}.{name})" for name in names)
        yield f"{both} || {same}"
        for given, other in (("self", "oldSelf"), ("oldSelf", "self")):
            bare = " && ".join(f"!has({given}.{outer}.{name})" for name in names)
            yield f"has({other}.{outer}) || !has({given}.{outer}) || {bare}"


def definition(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path, "priority": priority}
            for name, type_, path, priority in kind.columns
        ],
        "schema": {"openAPIV3Schema": _schema(kind)},
    }
    subresources: dict[str, Any] = {"status": {}} if kind.status else {}
    if kind.scale:
        subresources["scale"] = {
            "specReplicasPath": ".spec.parallelism.processes",
            "statusReplicasPath": ".status.workers.desired",
            "labelSelectorPath": ".status.selector",
        }
    if subresources:
        version["subresources"] = subresources
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short],
        "categories": ["d4py"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "d4py"}},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def definitions() -> str:
    """Return all definitions, as YAML."""
    return "".join(f"---\n{document(definition(kind))}" for kind in KINDS)
