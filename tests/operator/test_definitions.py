# SPDX-License-Identifier: Apache-2.0
"""The custom resources as a real API server takes them: every rule lets the right through and refuses the wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.kubernetes.cluster import ROOT, Cluster
from tests.operator.hands import SPEC, Hands

from d4py.resources.crd import KINDS, definition, staying
from d4py.resources.cron import CronWorkflow
from d4py.resources.described import Described, described
from d4py.resources.schema import bare
from d4py.resources.template import WorkflowTemplate
from d4py.resources.workflow import Workflow
from d4py_operator.cluster.errors import ApiError
from d4py_operator.crds import files

Spec = dict[str, Any]


def spec(**more: Any) -> Spec:
    return {**SPEC, **more}


def volume(**more: Any) -> Spec:
    return spec(volumes=[{"name": "data", "mountPath": "/data", **more}])


def variable(**more: Any) -> Spec:
    return spec(env=[{"name": "TOKEN", **more}])


KEY = {"name": "some", "key": "one"}
CLAIM = {"claimName": "disk"}
# message of a rule: a spec that keeps it, one that breaks it
OF_WORKFLOWS: dict[str, tuple[Spec, Spec]] = {
    "mpi is for the mapping mpi": (spec(mapping="mpi", mpi={"ranks": 2}), spec(mapping="multi", mpi={"ranks": 2})),
    "multi is for the mapping multi": (spec(mapping="multi", multi={}), spec(mapping="simple", multi={})),
    "the mapping mpi needs mpi.ranks": (spec(mapping="mpi", mpi={"ranks": 2}), spec(mapping="mpi")),
    "the mapping simple has one process": (
        spec(mapping="simple", parallelism={"processes": 1}),
        spec(mapping="simple", parallelism={"processes": 2}),
    ),
    "the mapping mpi has ranks, not processes: use mpi.ranks": (
        spec(mapping="mpi", mpi={"ranks": 2}),
        spec(mapping="mpi", mpi={"ranks": 2}, parallelism={"processes": 2}),
    ),
    "two volumes have the same mountPath": (
        spec(volumes=[{"name": n, "mountPath": f"/{n}", "emptyDir": {}} for n in "ab"]),
        spec(volumes=[{"name": n, "mountPath": "/same", "emptyDir": {}} for n in "ab"]),
    ),
    "ranks is not a multiple of slotsPerWorker": (
        spec(mapping="mpi", mpi={"ranks": 4, "slotsPerWorker": 2}),
        spec(mapping="mpi", mpi={"ranks": 5, "slotsPerWorker": 2}),
    ),
    "a graph is just one of module, configMapRef": (
        spec(graph={"configMapRef": {"name": "code"}}),
        spec(graph={"module": "m", "configMapRef": {"name": "code"}}),
    ),
    "inputs are just one of iterations, inline, configMapRef, secretRef, persistentVolumeClaim": (
        spec(inputs={"secretRef": KEY}),
        spec(inputs={"iterations": 3, "inline": "{}"}),
    ),
    "outputs have just one of volume, uri": (spec(outputs={"volume": CLAIM}), spec(outputs={})),
    "a volume is just one of persistentVolumeClaim, configMap, secret, emptyDir": (
        volume(secret={"name": "some"}),
        volume(secret={"name": "some"}, emptyDir={}),
    ),
    "this place belongs to the pod: choose another mountPath": (
        volume(emptyDir={}),
        spec(volumes=[{"name": "x", "mountPath": "/d4py/runs", "emptyDir": {}}]),
    ),
    "a variable has just one of value, valueFrom": (
        variable(value="x"),
        variable(value="x", valueFrom={"secretKeyRef": KEY}),
    ),
    "names with D4PY_ are set by the operator": (
        variable(value="x"),
        spec(env=[{"name": "D4PY_RANKS", "value": "8"}]),
    ),
    "valueFrom is just one of secretKeyRef, configMapKeyRef": (
        variable(valueFrom={"secretKeyRef": KEY}),
        variable(valueFrom={"secretKeyRef": KEY, "configMapKeyRef": KEY}),
    ),
    "envFrom has just one of secretRef, configMapRef": (
        spec(envFrom=[{"secretRef": {"name": "some"}}]),
        spec(envFrom=[{}]),
    ),
    "the spec has neither graph nor templateRef": ({"templateRef": {"name": "shared"}}, {"image": "x"}),
    "the name is longer than 40 letters": (spec(), spec()),
    "a name does not match ^[A-Za-z_][A-Za-z0-9_.]*$": (spec(args={"a_1": "x"}), spec(args={"a b": "x"})),
}
OF_TEMPLATES: dict[str, tuple[Spec, Spec]] = {
    "a template needs a graph": (spec(), {"image": "x"}),
    "a template takes over no other template": (spec(), spec(templateRef={"name": "other"})),
    "suspend and managedBy are said in workflows": (
        spec(runPolicy={"backoffLimit": 2}),
        spec(runPolicy={"suspend": True}),
    ),
}


def cron(**more: Any) -> Spec:
    return {"schedule": "0 3 * * *", "workflowTemplate": {"spec": SPEC}, **more}


OF_CRONS: dict[str, tuple[Spec, Spec]] = {
    "the name is longer than 29 letters": (cron(), cron()),
    "the workflow has neither graph nor templateRef": (cron(), cron(workflowTemplate={"spec": {"image": "x"}})),
}
CASES = [
    pytest.param(kind, message, right, wrong, id=f"{kind}: {message}")
    for kind, cases in (("Workflow", OF_WORKFLOWS), ("WorkflowTemplate", OF_TEMPLATES), ("CronWorkflow", OF_CRONS))
    for message, (right, wrong) in cases.items()
]


def rules(kind: type[Described]) -> Iterator[str]:
    """Yield the messages of all rules of a type and of the types that it is made of."""
    yield from (rule.message for rule in kind.RULES)
    for entry, annotation in described(kind):
        if "keys" in entry.metadata:
            yield f"a name does not match {entry.metadata['keys']}"
        for part in (bare(annotation), *getattr(bare(annotation), "__args__", ())):
            if isinstance(part, type) and issubclass(part, Described):
                yield from rules(part)


@pytest.mark.parametrize(
    ("kind", "cases"),
    [
        (Workflow, OF_WORKFLOWS),
        (WorkflowTemplate, OF_WORKFLOWS | OF_TEMPLATES),
        (CronWorkflow, OF_WORKFLOWS | OF_CRONS),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_rule_has_a_case(kind: type[Described], cases: dict[str, Any]) -> None:
    assert set(rules(kind)) - set(cases) == set()


@pytest.mark.parametrize(("kind", "message", "right", "wrong"), CASES)
def test_a_rule(hands: Hands, kind: str, message: str, right: Spec, wrong: Spec) -> None:
    length = int(message.split()[-2]) if message.startswith("the name is longer") else 8
    hands.make(kind, "n" * length, right, dry=True)

    with pytest.raises(ApiError) as refused:
        hands.make(kind, "n" * (length + 1), wrong, dry=True)

    assert refused.value.status == 422
    assert message in refused.value.text


# What each field of a spec may hold, twice.
FIELDS: dict[str, tuple[Any, Any]] = {
    "templateRef": ({"name": "one"}, {"name": "other"}),
    "graph": ({"module": "one"}, {"module": "other"}),
    "image": ("one", "other"),
    "imagePullPolicy": ("Always", "Never"),
    "imagePullSecrets": ([{"name": "one"}], [{"name": "other"}]),
    "mapping": ("simple", "threads"),
    "args": ({"a": "1"}, {"a": "2"}),
    "inputs": ({"iterations": 1}, {"iterations": 2}),
    "outputs": ({"uri": "pvc://one/x"}, {"uri": "pvc://other/x"}),
    "mpi": ({"ranks": 1}, {"ranks": 2}),
    "multi": ({"shmSizeLimit": "1Gi"}, {"shmSizeLimit": "2Gi"}),
    "checkpoint": ({"volume": CLAIM}, {"volume": CLAIM, "intervalSeconds": 9}),
    "scheduling": ({"queueName": "one"}, {"queueName": "other"}),
    "resources": ({"worker": {"limits": {"cpu": 1}}}, {"worker": {"limits": {"cpu": 2}}}),
    "volumes": ([{"name": "a", "mountPath": "/a", "emptyDir": {}}], [{"name": "a", "mountPath": "/b", "emptyDir": {}}]),
    "env": ([{"name": "A", "value": "1"}], [{"name": "A", "value": "2"}]),
    "envFrom": ([{"secretRef": {"name": "one"}}], [{"secretRef": {"name": "other"}}]),
    "serviceAccountName": ("one", "other"),
    "networkPolicy": ("None", "Isolated"),
}
POLICIES: dict[str, tuple[Any, Any]] = {
    "activeDeadlineSeconds": (1, 2),
    "startDeadlineSeconds": (1, 2),
    "backoffLimit": (1, 2),
    "backoff": ({"factor": 2}, {"factor": 3}),
    "cleanPodPolicy": ("All", "None"),
    "managedBy": ("one", "other"),
}
CHANGES = [
    *((name, *pair, "") for name, pair in FIELDS.items()),
    *((name, *pair, "runPolicy") for name, pair in POLICIES.items()),
]


def test_every_field_that_stays_has_a_case() -> None:
    assert {path[-1] for path in staying()} == {*FIELDS, *POLICIES}


@pytest.mark.parametrize(
    ("name", "one", "other", "inside"), CHANGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_run_does_not_change(hands: Hands, name: str, one: Any, other: Any, inside: str) -> None:
    def body(value: Any) -> Any:
        return {inside: {name: value}} if inside else {name: value}

    called = f"keeps-{name.lower()}"
    hands.make("Workflow", called, {**SPEC, **body(one)})
    hands.patch("Workflow", called, {"spec": body(one)}, dry=True)

    for value in (other, None):
        with pytest.raises(ApiError) as refused:
            hands.patch(
                "Workflow",
                called,
                {"spec": body(value) if name != "graph" or value else {"templateRef": {"name": "x"}, "graph": None}},
                dry=True,
            )
        assert "does not change once the workflow is there" in refused.value.text


def test_policies_come_and_go_only_where_they_may_change(hands: Hands) -> None:
    hands.workflow("bare")
    hands.patch("Workflow", "bare", {"spec": {"runPolicy": {"suspend": True, "ttlSecondsAfterFinished": 5}}})
    hands.patch("Workflow", "bare", {"spec": {"runPolicy": None}}, dry=True)
    with pytest.raises(ApiError, match="does not change"):
        hands.patch("Workflow", "bare", {"spec": {"runPolicy": {"backoffLimit": 5}}}, dry=True)

    hands.workflow("strict", runPolicy={"backoffLimit": 1})
    with pytest.raises(ApiError, match="does not change"):
        hands.patch("Workflow", "strict", {"spec": {"runPolicy": None}}, dry=True)


def test_processes_and_overlays_may_change(hands: Hands) -> None:
    hands.workflow("grows", mapping="threads")

    hands.patch("Workflow", "grows", {"spec": {"parallelism": {"processes": 3}}})
    hands.patch("Workflow", "grows", {"spec": {"template": {"annotations": {"note": "x"}}}})
    hands.patch("Workflow", "grows", {"spec": {"replicas": 5}}, part="scale")

    assert hands.get("Workflow", "grows")["spec"]["parallelism"]["processes"] == 5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_committed_definitions_are_those_of_the_types(kind: Any) -> None:
    name = f"{kind.plural}.d4py.dev.yaml"
    committed = (ROOT / "helm" / "d4py" / "crds" / name).read_text()

    assert committed == files()[name], "run python -m d4py_operator.crds"
    assert yaml.safe_load(committed) == definition(kind)


def test_d4py_crds_prints_what_kubectl_applies(defined: Cluster) -> None:
    printed = subprocess.check_output([sys.executable, "-m", "d4py.cli.main", "crds"], text=True)

    assert [each["kind"] for each in yaml.safe_load_all(printed)] == ["CustomResourceDefinition"] * 3
    said = defined.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", given=printed)
    assert len(said.splitlines()) == 3


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("workflows.d4py.dev", "One run of one graph of processing elements."),
        ("workflows.d4py.dev.spec.mapping", "The engine that runs the graph; simple where it is left out."),
        ("workflows.d4py.dev.spec.runPolicy.ttlSecondsAfterFinished", "When the workflow is deleted after its end"),
        ("workflows.d4py.dev.status.conditions.reason", "Why, as one word."),
        ("workflowtemplates.d4py.dev.spec.graph", "Where the graph of the workflow is."),
        ("cronworkflows.d4py.dev.spec.schedule", "minute, hour, day of month, month, day of week"),
    ],
)
def test_kubectl_explains_a_field(defined: Cluster, path: str, words: str) -> None:
    told = " ".join(defined.kubectl("explain", path).split())

    assert words in told


def test_every_field_says_what_it_means() -> None:
    def silent(kind: type[Described], path: str) -> Iterator[str]:
        for entry, annotation in described(kind):
            about = entry.metadata["about"]
            if len(about.split()) < 2 or not about.endswith("."):
                yield f"{path}.{entry.name}"
            for part in (bare(annotation), *getattr(bare(annotation), "__args__", ())):
                if isinstance(part, type) and issubclass(part, Described):
                    yield from silent(part, f"{path}.{entry.name}")

    assert [place for kind in KINDS for place in silent(kind.type, kind.name)] == []
    assert dataclasses.is_dataclass(Workflow)


def test_kubectl_get_shows_what_matters(defined: Cluster, hands: Hands) -> None:
    hands.workflow("shown")

    head, row = defined.kubectl("get", "d4wf", "shown", "-o", "wide", f"--namespace={hands.namespace}").splitlines()

    assert head.split() == ["NAME", "MAPPING", "PHASE", "READY", "ITEMS", "ATTEMPTS", "AGE", "IMAGE", "QUEUE", "REASON"]
    assert row.split()[0] == "shown"
