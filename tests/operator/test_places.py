# SPDX-License-Identifier: Apache-2.0
"""Where each field of a spec goes: into which field of a pod, of its container, of the words of d4py, or of what launches pods.

A row holds with its field, and does not hold without it. A field that has no row fails, unless it shapes no pod.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import kubernetes_validate
import pytest
import yaml
from tests.kubernetes.cluster import ROOT
from tests.operator.scene import workflow
from tests.operator.test_objects import EACH, EVERYTHING, MAPPINGS, SERVED, objects, pods

from d4py.resources import WorkflowSpec
from d4py.resources.described import Described, described, key
from d4py.resources.schema import bare
from d4py_operator.accept import _CONTEXT, _OVERLAY
from d4py_operator.mappings import room_of
from d4py_operator.objects import Object
from d4py_operator.run import Run

POD, CONTAINER, VOLUMES, MOUNTS, WORDS, JOB = "pod", "container", "volumes", "mounts", "words", "job"
ALL = tuple(MAPPINGS)
KIND_OF = {"simple": "Job", "threads": "Job", "multi": "Job"}

# What shapes no pod: the other tests of the operator are about these.
ELSEWHERE = (
    "templateRef", "mapping", "snapshotNonce", "checkpoint.upgradeMode", "networkPolicy", "runPolicy.suspend", "runPolicy.activeDeadlineSeconds",
    "runPolicy.startDeadlineSeconds", "runPolicy.backoffLimit", "runPolicy.backoff", "runPolicy.ttlSecondsAfterFinished", "runPolicy.managedBy",
    "mpi.launcher", "template.spec",
)  # fmt: skip


class Row(NamedTuple):
    """fields: what a spec says, by its path. They are to be found in this place, on these mappings."""

    fields: dict[str, Any]
    place: str
    found: Any
    on: tuple[str, ...] = ALL
    kind: str = ""  # Job or MPIJob, where it is of one only
    role: str = ""  # of the pods, where it is of some only


def claim(name: str) -> Object:
    return {"persistentVolumeClaim": {"claimName": name}}


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", "mountPath": "/v", **source}]}


TOLERATION = {"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoExecute", "tolerationSeconds": 7}
FROM_SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
FROM_MAP = {"configMapKeyRef": {"name": "c", "key": "k"}}
AFFINITY: dict[str, Any] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
SPREAD = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
ALIASES = [{"ip": "10.0.0.1", "hostnames": ["archive"]}]
NUMBER = {"limits": {"example.org/gpu": "2"}, "requests": {"memory": "3Gi"}}
JSON, KEYED = {"path": "inputs.json"}, {"name": "given", "key": "days"}
LAUNCHED = "job.spec.mpiReplicaSpecs"

ROWS = (
    Row({"image": "lab.example/own:7"}, "container.image", "lab.example/own:7"),
    Row({"imagePullPolicy": "Never"}, "container.imagePullPolicy", "Never"),
    Row({"imagePullSecrets": [{"name": "login"}]}, "pod.spec.imagePullSecrets", [{"name": "login"}]),
    Row({"imagePullSecrets.name": [{"name": "other"}]}, "pod.spec.imagePullSecrets", [{"name": "other"}]),
    Row({"serviceAccountName": "lab"}, "pod.spec.serviceAccountName", "lab"),
    # --- what is run, and with what
    Row({"graph.module": "a.b"}, WORDS, ["--", "a.b"]),
    Row({"graph.module": "a.b", "graph.object": "drawn"}, WORDS, ["--graph=drawn"]),
    Row({"graph.configMapRef.name": "files"}, VOLUMES, {"configMap": {"name": "files"}}),
    Row({"graph.configMapRef.name": "files"}, MOUNTS, {"mountPath": "/d4py/workflow", "readOnly": True}),
    Row({"graph.configMapRef.name": "files", "graph.configMapRef.key": "a.py"}, WORDS, ["/d4py/workflow/a.py"]),
    Row({"args": {"a": "b c"}}, WORDS, ["--set=a=b c"]),
    Row({"parallelism.processes": 5}, WORDS, ["--processes=5"], on=("threads", "multi")),
    Row({"parallelism.processes": 5}, "container.resources.requests.cpu", "5", on=("threads", "multi")),
    Row({"parallelism.perPE": {"count": 3}}, WORDS, ["--resource=count.processes=3"]),
    Row({"inputs.iterations": 4}, WORDS, ["--iterations=4"]),
    Row({"inputs.uri": "https://x.example/days.json"}, WORDS, ["--file=https://x.example/days.json"]),
    Row({"inputs.inline": "{}"}, VOLUMES, {"configMap": {"name": "demo-INLINE"}}),
    Row({"inputs.inline": "{}"}, WORDS, ["--file=/d4py/inputs/inputs.json"]),
    Row({"inputs.configMapRef": KEYED}, VOLUMES, {"configMap": {"name": "given", "items": [{"key": "days", **JSON}]}}),
    Row({"inputs.configMapRef": KEYED}, MOUNTS, {"mountPath": "/d4py/inputs", "readOnly": True}),
    Row({"inputs.configMapRef": KEYED}, WORDS, ["--file=/d4py/inputs/inputs.json"]),
    Row({"inputs.secretRef": KEYED}, VOLUMES, {"secret": {"secretName": "given", "items": [{"key": "days", **JSON}]}}),
    Row({"inputs.secretRef": KEYED}, MOUNTS, {"mountPath": "/d4py/inputs", "readOnly": True}),
    Row({"inputs.secretRef": KEYED}, WORDS, ["--file=/d4py/inputs/inputs.json"]),
    Row({"inputs.persistentVolumeClaim.claimName": "data"}, VOLUMES, {"name": "d4py-inputs", **claim("data")}),
    Row({"inputs.persistentVolumeClaim.claimName": "data"}, MOUNTS, {"name": "d4py-inputs", "mountPath": "/d4py/inputs", "readOnly": True}),
    Row({"inputs.persistentVolumeClaim.claimName": "data"}, WORDS, ["--file=/d4py/inputs/inputs.json"]),
    Row({"inputs.persistentVolumeClaim": {"claimName": "data", "path": "2010/a.json"}}, WORDS, ["--file=/d4py/inputs/2010/a.json"]),
    Row({"outputs.volume.claimName": "kept"}, VOLUMES, {"name": "d4py-outputs", **claim("kept")}),
    Row({"outputs.volume.claimName": "kept"}, MOUNTS, {"name": "d4py-outputs", "mountPath": "/d4py/outputs", "readOnly": False}),
    Row({"outputs.volume": {"claimName": "kept", "path": "a/b"}}, WORDS, ["--output=/d4py/outputs/a/b/outputs.jsonl"]),
    Row({"outputs.uri": "pvc://kept/a"}, VOLUMES, {"name": "d4py-outputs", **claim("kept")}),
    Row({"outputs.uri": "pvc://kept/a"}, WORDS, ["--output=/d4py/outputs/a/outputs.jsonl"]),
    Row({"checkpoint.volume.claimName": "here"}, VOLUMES, {"name": "d4py-runs", **claim("here")}),
    Row({"checkpoint.volume": {"claimName": "here", "path": "a"}}, WORDS, ["--run-dir=/d4py/runs/a/demo-INLINE"]),
    Row({"checkpoint": {"volume": {"claimName": "here"}, "intervalSeconds": 30}}, WORDS, ["--checkpoint=30"]),
    # --- what it finds there
    Row({"env": [{"name": "A", "value": "1"}]}, "container.env", [{"name": "A", "value": "1"}]),
    Row({"env.valueFrom.secretKeyRef": [{"name": "A", "valueFrom": FROM_SECRET}]}, "container.env", [{"name": "A", "valueFrom": FROM_SECRET}]),
    Row({"env.valueFrom.configMapKeyRef": [{"name": "A", "valueFrom": FROM_MAP}]}, "container.env", [{"name": "A", "valueFrom": FROM_MAP}]),
    Row({"envFrom.secretRef": [{"secretRef": {"name": "s"}}]}, "container.envFrom", [{"secretRef": {"name": "s"}}]),
    Row({"envFrom.configMapRef": [{"configMapRef": {"name": "c"}}]}, "container.envFrom", [{"configMapRef": {"name": "c"}}]),
    Row(volume(emptyDir={"sizeLimit": "1Gi"}), VOLUMES, {"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}),
    Row(volume(emptyDir={}), MOUNTS, {"name": "v", "mountPath": "/v", "readOnly": False}),
    Row(volume(emptyDir={}, readOnly=True), MOUNTS, {"name": "v", "mountPath": "/v", "readOnly": True}),
    Row(volume(configMap={"name": "c"}), VOLUMES, {"name": "v", "configMap": {"name": "c"}}),
    Row(volume(secret={"name": "s"}), VOLUMES, {"name": "v", "secret": {"secretName": "s"}}),
    Row(volume(persistentVolumeClaim={"claimName": "d"}), VOLUMES, {"name": "v", **claim("d")}),
    Row(volume(persistentVolumeClaim={"claimName": "d", "path": "a/b"}), MOUNTS, {"name": "v", "subPath": "a/b"}),
    Row({"multi.shmSizeLimit": "3Gi"}, VOLUMES, {"emptyDir": {"medium": "Memory", "sizeLimit": "3Gi"}}, on=("multi",)),
    # --- what it asks for, and where it is placed
    Row({"resources.worker": NUMBER}, "container.resources", NUMBER, on=("simple", "threads", "multi")),
    Row({"resources.worker": NUMBER}, "container.resources", NUMBER, on=("mpi",), role="worker"),
    Row({"resources.launcher": NUMBER}, "container.resources", NUMBER, on=("mpi",), kind="MPIJob", role="driver"),
    Row({"scheduling.priorityClassName": "high"}, "pod.spec.priorityClassName", "high"),
    Row({"scheduling.schedulerName": "other"}, "pod.spec.schedulerName", "other"),
    Row({"scheduling.nodeSelector": {"disk": "fast"}}, "pod.spec.nodeSelector", {"disk": "fast"}),
    Row({"scheduling.tolerations": [TOLERATION]}, "pod.spec.tolerations", [TOLERATION]),
    Row({"scheduling.queueName": "lab"}, "job.metadata.labels", {"kueue.x-k8s.io/queue-name": "lab"}),
    Row({"scheduling.queueName": "lab"}, "job.spec.suspend", True, kind="Job"),
    Row({"scheduling.queueName": "lab"}, "job.spec.runPolicy.suspend", True, on=("mpi",), kind="MPIJob"),
    Row({"scheduling.gang": False}, "job.spec.runPolicy.schedulingPolicy", None, on=("mpi",), kind="MPIJob"),
    Row({"template.labels": {"team": "a"}}, "pod.metadata.labels", {"team": "a"}),
    Row({"template.annotations": {"note": "b"}}, "pod.metadata.annotations", {"note": "b"}),
    Row({"template.spec.affinity": AFFINITY}, "pod.spec.affinity", AFFINITY),
    Row({"template.spec.topologySpreadConstraints": SPREAD}, "pod.spec.topologySpreadConstraints", SPREAD),
    Row({"template.spec.hostAliases": ALIASES}, "pod.spec.hostAliases", ALIASES),
    Row({"template.spec.dnsConfig": {"searches": ["x"]}}, "pod.spec.dnsConfig", {"searches": ["x"]}),
    Row({"template.spec.dnsPolicy": "Default"}, "pod.spec.dnsPolicy", "Default"),
    Row({"template.spec.terminationGracePeriodSeconds": 9}, "pod.spec.terminationGracePeriodSeconds", 9),
    Row({"template.spec.runtimeClassName": "gvisor"}, "pod.spec.runtimeClassName", "gvisor"),
    Row({"template.spec.preemptionPolicy": "Never"}, "pod.spec.preemptionPolicy", "Never"),
    *(Row({f"template.spec.securityContext.{name}": 1234}, f"pod.spec.securityContext.{name}", 1234) for name in ("runAsUser", "runAsGroup", "fsGroup")),
    Row({"template.spec.securityContext.supplementalGroups": [7]}, "pod.spec.securityContext.supplementalGroups", [7]),
    Row({"template.spec.securityContext.fsGroupChangePolicy": "Always"}, "pod.spec.securityContext.fsGroupChangePolicy", "Always"),
    # --- how ranks are laid out, and what is left of them
    Row({"mpi": {"ranks": 6, "slotsPerWorker": 2}}, f"{LAUNCHED}.Worker.replicas", 3, on=("mpi",), kind="MPIJob"),
    Row({"mpi": {"ranks": 6, "slotsPerWorker": 3}}, "job.spec.slotsPerWorker", 3, on=("mpi",), kind="MPIJob"),
    Row({"mpi": {"ranks": 6, "slotsPerWorker": 2}}, "job.spec.parallelism", 3, on=("mpi",), kind="Job"),
    Row({"mpi": {"ranks": 6, "slotsPerWorker": 3}}, "container.resources.requests.cpu", "3", on=("mpi",), role="worker"),
    Row({"mpi": {"ranks": 6}}, "container.env", [{"name": "D4PY_RANKS", "value": "6"}], on=("mpi",)),
    Row({"mpi": {"ranks": 4, "implementation": "MPICH"}}, "job.spec.mpiImplementation", "MPICH", on=("mpi",), kind="MPIJob"),
    Row({"mpi": {"ranks": 4, "implementation": "MPICH"}}, "container.env", [{"name": "HYDRA_LAUNCHER", "value": "ssh"}], on=("mpi",)),
    Row({"runPolicy.cleanPodPolicy": "None"}, "job.spec.runPolicy.cleanPodPolicy", "None", on=("mpi",), kind="MPIJob"),
)  # fmt: skip


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the spec in which fields are set. Where a path goes into a list, the value is the list."""
    spec: dict[str, Any] = {}
    for path, value in fields.items():
        names = path.split(".")
        if names[0] in ("env", "envFrom", "volumes", "imagePullSecrets"):
            names = names[:1]
        into = spec
        for name in names[:-1]:
            into = into.setdefault(name, {})
        into[names[-1]] = value
    return spec


def cases() -> Iterator[Any]:
    for number, row in enumerate(ROWS):
        for mapping in row.on:
            for how, served in SERVED.items():
                kind = KIND_OF.get(mapping) or ("MPIJob" if served else "Job")
                if (row.kind or kind) == kind and (mapping == "mpi" or not served):
                    yield pytest.param(row, mapping, served, id=f"{number} {'+'.join(row.fields)} {mapping} {how}")


def made(mapping: str, served: frozenset[str], spec: dict[str, Any]) -> list[Object]:
    run = Run(workflow(**{"mapping": mapping, **MAPPINGS[mapping], **spec}))
    room = room_of(run, served)
    assert room is not None
    return room.objects(run, 1)


def words(pod: Object) -> list[str]:
    """Return what d4py is told in a pod that begins a run; nothing in one that serves ranks."""
    script = pod["spec"]["containers"][0]["command"][2].replace("$$", "$")
    return shlex.split(script.partition("else set -- ")[2].partition("; fi\n")[0])


def looked_up(things: list[Object], row: Row) -> list[Any]:
    """Return what is in the place of a row: for each pod, or once."""
    top, _, path = row.place.partition(".")
    roots: list[Any] = [things[-1]] if top == JOB else pods(things)
    if row.role == "driver":
        roots = [pod for pod in roots if pod["metadata"]["labels"]["d4py.dev/role"] == "driver"]
    elif row.role == "worker":
        roots = [pod for pod in roots if pod["metadata"]["labels"]["d4py.dev/role"] == "worker"]
    if top == WORDS:
        return [told for told in map(words, roots) if told]
    if top in (CONTAINER, MOUNTS):
        roots = [pod["spec"]["containers"][0] for pod in roots]
    if top in (VOLUMES, MOUNTS):
        return [root["volumeMounts"] if top == MOUNTS else root["spec"]["volumes"] for root in roots]
    for name in path.split("."):
        roots = [root.get(name) if isinstance(root, dict) else None for root in roots]
    return roots


def holds(there: Any, wanted: Any) -> bool:
    """Whether what is wanted is part of what is there."""
    if isinstance(wanted, str) and isinstance(there, str):
        return there == wanted.replace("INLINE", Run(workflow()).short)
    if isinstance(there, list):
        return all(
            any(holds(one, each) for one in there) for each in (wanted if isinstance(wanted, list) else [wanted])
        )
    if isinstance(wanted, dict) and isinstance(there, dict):
        return all(name in there and holds(there[name], value) for name, value in wanted.items())
    return bool(there == wanted)


@pytest.mark.parametrize(("row", "mapping", "served"), list(cases()))
def test_a_field_is_found_in_its_place(row: Row, mapping: str, served: frozenset[str]) -> None:
    spec = given(row.fields)

    found = looked_up(made(mapping, served, spec), row)
    without = looked_up(made(mapping, served, {}), row)

    assert found
    assert all(holds(each, row.found) for each in found), found
    assert not any(holds(each, row.found) for each in without), "it is there without the field"


def leaves(kind: type[Described], path: str = "") -> Iterator[str]:
    """Yield the paths of all fields of a type that hold no further ones."""
    for entry, annotation in described(kind):
        inner = bare(annotation)
        inner = next(
            (each for each in (inner, *get_args(inner)) if isinstance(each, type) and issubclass(each, Described)), None
        )
        place = f"{path}{key(entry)}"
        if inner is None:
            yield place
        else:
            yield from leaves(inner, f"{place}.")


def paths(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of all that is said in a value."""
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from paths(one, f"{path}.{name}")
    if isinstance(value, list):
        for one in value:
            yield from paths(one, path)


def test_every_field_that_shapes_a_pod_has_a_row() -> None:
    told = {path for row in ROWS for name, value in given(row.fields).items() for path in paths(value, name)}

    assert [path for path in leaves(WorkflowSpec) if path not in told and not path.startswith(ELSEWHERE)] == []
    assert {f"template.spec.{name}" for name in _OVERLAY} <= told
    assert {f"template.spec.securityContext.{name}" for name in _CONTEXT} <= told


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_volumes_belong_to_the_group_of_the_pods_user(mapping: str, served: frozenset[str]) -> None:
    for pod in pods(objects(mapping, served)):
        context = pod["spec"]["securityContext"]
        assert (context["runAsGroup"], context["fsGroup"]) == (1000, 1000)
        assert context["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_the_folder_of_the_run_can_be_written(mapping: str, served: frozenset[str]) -> None:
    for pod in pods(objects(mapping, served, checkpoint={"volume": {"claimName": "here"}})):
        mounts = pod["spec"]["containers"][0]["volumeMounts"]
        assert {"name": "d4py-runs", "mountPath": "/d4py/runs", "readOnly": False} in mounts


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_job_says_itself_that_its_pod_was_taken_away(mapping: str) -> None:
    """The pod may be gone before anybody looks."""
    job = objects(mapping)[-1]["spec"]

    disrupted = {"type": "DisruptionTarget", "status": "True"}
    assert job["podFailurePolicy"] == {"rules": [{"action": "FailJob", "onPodConditions": [disrupted]}]}
    assert job["backoffLimit"] == 0


def test_pods_of_an_mpijob_are_placed_all_at_once() -> None:
    (job,) = objects("mpi", SERVED["MPIJob"])

    assert job["spec"]["runPolicy"] == {
        "cleanPodPolicy": "Running", "backoffLimit": 0, "schedulingPolicy": {"minAvailable": 3},
    }  # fmt: skip


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_the_oldest_kubernetes_that_the_chart_takes_knows_every_field(mapping: str, served: frozenset[str]) -> None:
    """Before 1.31 it drops a Job's successPolicy, and ranks in several pods never end."""
    chart = yaml.safe_load((ROOT / "helm" / "d4py" / "Chart.yaml").read_text())
    oldest = chart["kubeVersion"].removeprefix(">=").removesuffix(".0-0")

    for thing in objects(mapping, served, **EVERYTHING):
        if thing["kind"] == "MPIJob":
            for pod in pods([thing]):
                wrapped = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": pod}
                kubernetes_validate.validate(wrapped, oldest, strict=True)
        else:
            kubernetes_validate.validate(thing, oldest, strict=True)
