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
from tests.operator.hands import KEPT, SPEC, Hands, eventually

from d4py.resources.crd import KINDS, definition, staying
from d4py.resources.cron import CronWorkflow
from d4py.resources.described import Described, described
from d4py.resources.schema import bare
from d4py.resources.template import WorkflowTemplate
from d4py.resources.workflow import Workflow
from d4py_operator.cluster.api import Api
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
ONE = {"ranks": 2, "slotsPerWorker": 2}
# message of a rule: a spec that keeps it, one that breaks it
OF_WORKFLOWS: dict[str, tuple[Spec, Spec]] = {
    "mpi is for the mapping mpi": (spec(mapping="mpi", mpi=ONE), spec(mapping="multi", mpi=ONE)),
    "multi is for the mapping multi": (spec(mapping="multi", multi={}), spec(mapping="simple", multi={})),
    "the mapping mpi needs mpi.ranks": (spec(mapping="mpi", mpi=ONE), spec(mapping="mpi")),
    "the mapping simple has one process": (
        spec(mapping="simple", parallelism={"processes": 1}),
        spec(mapping="simple", parallelism={"processes": 2}),
    ),
    "the mapping mpi has ranks, not processes: use mpi.ranks": (
        spec(mapping="mpi", mpi=ONE),
        spec(mapping="mpi", mpi=ONE, parallelism={"processes": 2}),
    ),
    "two volumes have the same mountPath": (
        spec(volumes=[{"name": n, "mountPath": f"/{n}", "emptyDir": {}} for n in "ab"]),
        spec(volumes=[{"name": n, "mountPath": "/same", "emptyDir": {}} for n in "ab"]),
    ),
    "ranks is not a multiple of slotsPerWorker": (
        spec(mapping="mpi", mpi={"ranks": 4, "slotsPerWorker": 2}, checkpoint=KEPT),
        spec(mapping="mpi", mpi={"ranks": 5, "slotsPerWorker": 2}, checkpoint=KEPT),
    ),
    "a graph is just one of module, configMapRef": (
        spec(graph={"configMapRef": {"name": "code"}}),
        spec(graph={"module": "m", "configMapRef": {"name": "code"}}),
    ),
    "inputs are just one of iterations, inline, configMapRef, secretRef, persistentVolumeClaim, uri": (
        spec(inputs={"secretRef": KEY}),
        spec(inputs={"iterations": 3, "inline": "{}"}),
    ),
    "the address of inputs begins with one of file://, http://, https://, s3://, gs://, az://": (
        spec(inputs={"uri": "https://data.example.org/days.json?a=b#c"}),
        spec(inputs={"uri": "gopher://data.example.org/days.json"}),
    ),
    "an address holds no password: give it in variables from a Secret": (
        spec(inputs={"uri": "s3://bucket/a@b.json"}),
        spec(inputs={"uri": "https://me:secret@data.example.org/days.json"}),
    ),
    "pods that are Isolated fetch nothing: give inputs by a ConfigMap, a Secret or a claim": (
        spec(networkPolicy="Isolated", inputs={"uri": "file:///data/days.json"}),
        spec(networkPolicy="Isolated", inputs={"uri": "https://data.example.org/days.json"}),
    ),
    "ranks in several pods share the run's folder: give checkpoint.volume, or slotsPerWorker for all ranks in one pod": (
        spec(mapping="mpi", mpi=ONE),
        spec(mapping="mpi", mpi={"ranks": 2}),
    ),
    "snapshotNonce needs a checkpoint to go on from, with upgradeMode Checkpoint": (
        spec(snapshotNonce="1", checkpoint=KEPT),
        spec(snapshotNonce="1", checkpoint={**KEPT, "upgradeMode": "Stateless"}),
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
    "a name does not match ^[A-Za-z_][A-Za-z0-9_.:-]*$": (
        spec(parallelism={"perPE": {"stack.sum-2": 3}}),
        spec(parallelism={"perPE": {"a b": 3}}),
    ),
}
OF_TEMPLATES: dict[str, tuple[Spec, Spec]] = {
    "a template needs a graph": (spec(), {"image": "x"}),
    "a template takes over no other template": (spec(), spec(templateRef={"name": "other"})),
    "suspend, managedBy and snapshotNonce are said in workflows": (
        spec(runPolicy={"backoffLimit": 2}, checkpoint=KEPT),
        spec(snapshotNonce="1", checkpoint=KEPT),
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
    "mpi": ({"ranks": 1}, {"ranks": 2, "slotsPerWorker": 2}),
    "multi": ({"shmSizeLimit": "1Gi"}, {"shmSizeLimit": "2Gi"}),
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
CHECKPOINTS: dict[str, tuple[Any, Any]] = {"volume": (CLAIM, {"claimName": "other"}), "intervalSeconds": (8, 9)}
CHANGES = [
    *((name, *pair, "") for name, pair in FIELDS.items()),
    *((name, *pair, "runPolicy") for name, pair in POLICIES.items()),
    *((name, *pair, "checkpoint") for name, pair in CHECKPOINTS.items()),
    ("perPE", {"a": 1}, {"a": 2}, "parallelism"),
]


def test_every_field_that_stays_has_a_case() -> None:
    assert {path[-1] for path in staying()} == {name for name, *_ in CHANGES}


@pytest.mark.parametrize(
    ("name", "one", "other", "inside"), CHANGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_is_run_does_not_change(hands: Hands, name: str, one: Any, other: Any, inside: str) -> None:
    def body(value: Any) -> Any:
        beside = {"volume": CLAIM} if inside == "checkpoint" else {}
        return {inside: {**beside, name: value}} if inside else {name: value}

    called = f"keeps-{name.lower()}"
    hands.make("Workflow", called, {**SPEC, **body(one)})
    hands.patch("Workflow", called, {"spec": body(one)}, dry=True)

    for value in (other, None) if name != "volume" else (other,):  # a checkpoint without a volume is none
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


def test_instances_come_and_go_with_no_change_of_processes(hands: Hands) -> None:
    hands.workflow("apart", mapping="threads", parallelism={"perPE": {"a": 2}})
    hands.patch("Workflow", "apart", {"spec": {"parallelism": {"processes": 2}}})

    for value in ({"perPE": None}, None):
        with pytest.raises(ApiError, match="does not change"):
            hands.patch("Workflow", "apart", {"spec": {"parallelism": value}}, dry=True)


@pytest.mark.parametrize("number", [0, -1, 4097, "2", 1.5])
def test_instances_are_whole_numbers(hands: Hands, number: Any) -> None:
    with pytest.raises(ApiError, match="perPE"):
        hands.make("Workflow", "odd", spec(parallelism={"perPE": {"a": number}}), dry=True)


def test_a_checkpoint_may_be_asked_for_and_attempts_may_begin_anew(hands: Hands) -> None:
    hands.workflow("changes", checkpoint=KEPT)

    hands.patch("Workflow", "changes", {"spec": {"snapshotNonce": "1"}})
    hands.patch("Workflow", "changes", {"spec": {"snapshotNonce": "2"}})
    hands.patch("Workflow", "changes", {"spec": {"snapshotNonce": None, "checkpoint": {"upgradeMode": "Stateless"}}})
    hands.patch("Workflow", "changes", {"spec": {"checkpoint": {"upgradeMode": "Checkpoint"}}})

    hands.workflow("lacks")
    with pytest.raises(ApiError, match="snapshotNonce needs a checkpoint to go on from"):
        hands.patch("Workflow", "lacks", {"spec": {"snapshotNonce": "1"}}, dry=True)


def test_a_workflow_that_was_accepted_before_a_rule_came_keeps_its_status(
    defined: Cluster, hands: Hands, api: Api
) -> None:
    kind = next(kind for kind in KINDS if kind.type is Workflow)
    before = definition(kind)
    ruled = before["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    ruled["x-kubernetes-validations"] = [
        rule for rule in ruled["x-kubernetes-validations"] if not rule["message"].startswith("ranks in several pods")
    ]
    wrong = spec(mapping="mpi", mpi={"ranks": 2})

    def accepted() -> bool:
        try:
            hands.make("Workflow", "early", wrong, dry=True)
        except ApiError:
            return False
        return True

    defined.apply(before)
    eventually(accepted, "the rule to be gone")
    hands.make("Workflow", "early", wrong)
    defined.apply(definition(kind))
    eventually(lambda: not accepted(), "the rule to be there")

    api.apply_status(hands.get("Workflow", "early"), {"phase": "Running"})
    assert hands.says("early")[0] == "Running"


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
        ("workflows.d4py.dev.spec.parallelism.perPE", "Instances of a PE by its name, on every mapping"),
        ("workflows.d4py.dev.spec.checkpoint.upgradeMode", "it begins anew, and what they left is moved aside"),
        ("workflows.d4py.dev.spec.snapshotNonce", "Another one has a checkpoint taken now"),
        ("workflows.d4py.dev.spec.inputs.uri", "An address of a file that holds the data as JSON"),
        ("workflows.d4py.dev.status.plan", "How many instances each PE has"),
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
