# SPDX-License-Identifier: Apache-2.0
"""The definitions of the custom resources, as a cluster is given them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from d4py.resources.cron import CronWorkflow
from d4py.resources.described import Described, Rule, described, key
from d4py.resources.policies import RunPolicy
from d4py.resources.schema import schema_of
from d4py.resources.template import WorkflowTemplate
from d4py.resources.workflow import CHANGEABLE, CHANGEABLE_POLICY, GROUP, VERSION, Workflow, WorkflowSpec
from d4py.resources.yaml import document

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


def unchanged() -> Iterator[Rule]:
    """Yield the rules that keep the spec of a run as it is."""
    for entry, _ in described(WorkflowSpec):
        name = key(entry)
        if name not in CHANGEABLE:
            yield Rule(_same("self", "oldSelf", name), f"{name} does not change once the workflow is there", name)
    for entry, _ in described(RunPolicy):
        name = key(entry)
        if name not in CHANGEABLE_POLICY:
            rule = f"!has(self.runPolicy) || !has(oldSelf.runPolicy) || {_same('self.runPolicy', 'oldSelf.runPolicy', name)}"
            yield Rule(rule, f"runPolicy.{name} does not change once the workflow is there", "runPolicy")
    some = " && ".join(f"!has({{0}}.runPolicy.{name})" for name in _policies())
    for given, other in (("self", "oldSelf"), ("oldSelf", "self")):
        rule = f"has({other}.runPolicy) || !has({given}.runPolicy) || {some.format(given)}"
        yield Rule(rule, "runPolicy does not change once the workflow is there, but for suspend and ttl", "runPolicy")


def _policies() -> list[str]:
    return [name for entry, _ in described(RunPolicy) if (name := key(entry)) not in CHANGEABLE_POLICY]


def _same(new: str, old: str, name: str) -> str:
    """Return the rule that a field is as it was. Optional fields (`.?name`) would read better; the cluster cannot tell what they cost."""
    here, before = f"{new}.{name}", f"{old}.{name}"
    return f"(has({here}) ? has({before}) && {here} == {before} : !has({before}))"


def _schema(kind: Kind) -> dict[str, Any]:
    schema = schema_of(kind.type)
    if kind.type is Workflow:
        spec = schema["properties"]["spec"]
        spec["x-kubernetes-validations"] += [
            {"rule": rule.cel, "message": rule.message, "fieldPath": f".{rule.field}"} for rule in unchanged()
        ]
    return schema


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
