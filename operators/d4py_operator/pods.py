# SPDX-License-Identifier: Apache-2.0
"""Pods, as Pod Security "restricted" wants them on every mapping: no root, no rights, no token, nothing writable but what is named."""

from __future__ import annotations

from typing import Any

from d4py.resources import written
from d4py.resources.parts import KeyReference, Requirements, VariablesSource, Volume
from d4py_operator.objects import Object
from d4py_operator.run import INPUTS, OUTPUTS, RUNS, WORKFLOW, Run, merged

PROGRESS = 8090  # the port on which a run says how far it has come
GRACE = 120  # seconds in which a run may make its last checkpoint
USER = 1000
_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}
_POD = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
_OPERATOR = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "d4py", "app.kubernetes.io/component": "operator"}},
}
# The Job says so then, and for as long as it is there: its pod may be gone before anybody looks.
_DISRUPTED = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
HOME = "/tmp/home"  # noqa: S108 - in the pod's own folder
VARIABLES = "/d4py/variables"  # objects whose keys are variables, a folder each: so a run knows which these are


def template(run: Run, attempt: int, container: Object, *, role: str, volumes: list[Object] | None = None) -> Object:
    """Return the template of a pod with one container. volumes: more than the run's."""
    spec = run.spec
    overlay = spec.template
    ours, mounts = volumes_of(run)
    mine = {each.name for each in spec.env}
    container = {
        "image": spec.image,
        **({"imagePullPolicy": spec.image_pull_policy} if spec.image_pull_policy else {}),
        "securityContext": _CONTAINER,
        "terminationMessagePath": "/dev/termination-log",
        **container,
        "env": [*environment(run), *(each for each in container.get("env", ()) if each["name"] not in mine)],
        "volumeMounts": [*mounts, *container.get("volumeMounts", ())],
    }
    if spec.env_from:
        container["envFrom"] = [written(each) for each in spec.env_from]
    pod: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _POD,
        "terminationGracePeriodSeconds": GRACE,
        "containers": [container],
        "volumes": [*ours, *(volumes or ())],
        **scheduling(run),
    }
    if spec.service_account_name:
        pod["serviceAccountName"] = spec.service_account_name
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in spec.image_pull_secrets]
    labels = run.labels(attempt=str(attempt), role=role)
    return {
        "metadata": {
            "labels": {**(overlay.labels if overlay else {}), **labels},
            "annotations": dict(overlay.annotations) if overlay else {},
        },
        "spec": merged(dict(overlay.spec), pod) if overlay else pod,
    }


def environment(run: Run) -> list[Object]:
    """Return the variables of every container."""
    secret = [each.name for each in run.spec.env if each.value_from and each.value_from.secret_key_ref]
    whole = [f"{VARIABLES}/{number}" for number, each in enumerate(run.spec.env_from) if each.secret_ref]
    whole += [each.mount_path for each in run.spec.volumes if each.secret]
    ours = {
        "HOME": HOME,
        "PYTHONUNBUFFERED": "1",
        "D4PY_LOGS": "stdout",
        "D4PY_RUN_NAME": f"kubernetes://{run.namespace}/{run.name}",
        "D4PY_TERMINATION_LOG": "/dev/termination-log",
        "D4PY_METRICS": f"0.0.0.0:{PROGRESS}",
        **({"D4PY_SECRETS": " ".join(secret)} if secret else {}),
        **({"D4PY_SECRET_FOLDERS": ":".join(whole)} if whole else {}),
    }
    mine = {each.name for each in run.spec.env}
    return [
        *({"name": name, "value": value} for name, value in ours.items() if name not in mine),
        *(written(each) for each in run.spec.env),
    ]


def scheduling(run: Run) -> Object:
    """Return where and when pods are placed."""
    given = run.spec.scheduling
    if given is None:
        return {}
    fields = {
        "priorityClassName": given.priority_class_name,
        "schedulerName": given.scheduler_name,
        "nodeSelector": given.node_selector,
        "tolerations": [written(each) for each in given.tolerations],
    }
    return {name: value for name, value in fields.items() if value}


def resources(given: Requirements | None, cpus: int | None = None) -> Object:
    """Return what a container asks for: as given, else as many processors as it has processes."""
    asked = written(given) if given else {}
    if cpus and "cpu" not in asked.get("requests", {}) and "cpu" not in asked.get("limits", {}):
        asked = {**asked, "requests": {"cpu": str(cpus), **asked.get("requests", {})}}
    return {"resources": asked} if asked else {}


def volumes_of(run: Run) -> tuple[list[Object], list[Object]]:
    """Return the volumes of every pod, and where its container finds them."""
    spec = run.spec
    volumes: list[Object] = [{"name": "d4py-tmp", "emptyDir": {}}]
    mounts: list[Object] = [{"name": "d4py-tmp", "mountPath": "/tmp"}]  # noqa: S108 - in the pod's own folder

    def add(name: str, source: Object, path: str, *, read_only: bool = True, sub_path: str = "") -> None:
        # A kubelet that finds a claim twice in a pod waits for ever for the second: it is one volume, however often it is mounted.
        same = [
            each["name"]
            for each in volumes
            if "persistentVolumeClaim" in source and {"name": each["name"], **source} == each
        ]
        name = same[0] if same else name
        if not same:
            volumes.append({"name": name, **source})
        mount: Object = {"name": name, "mountPath": path, "readOnly": read_only}
        mounts.append({**mount, "subPath": sub_path} if sub_path else mount)

    kept = spec.checkpoint.volume.claim_name if spec.checkpoint else ""
    add("d4py-runs", claim(kept) if kept else {"emptyDir": {}}, RUNS, read_only=False)
    if run.outputs[0]:
        add("d4py-outputs", claim(run.outputs[0]), OUTPUTS, read_only=False)
    if spec.graph and spec.graph.config_map_ref:
        add("d4py-workflow", {"configMap": {"name": spec.graph.config_map_ref.name}}, WORKFLOW)
    if spec.inputs and (source := _inputs(run)):
        add("d4py-inputs", source, INPUTS)
    for number, variables in enumerate(spec.env_from):
        add(f"d4py-variables-{number}", _keys(variables), f"{VARIABLES}/{number}")
    for each in spec.volumes:
        add(each.name, _source(each), each.mount_path, read_only=bool(each.read_only), sub_path=_place(each))
    return volumes, mounts


def claim(name: str) -> Object:
    """Return a claim as the source of a volume."""
    return {"persistentVolumeClaim": {"claimName": name}}


def _place(volume: Volume) -> str:
    return (volume.persistent_volume_claim.path if volume.persistent_volume_claim else None) or ""


def _source(volume: Volume) -> Object:
    if volume.persistent_volume_claim:
        return claim(volume.persistent_volume_claim.claim_name)
    if volume.config_map:
        return {"configMap": {"name": volume.config_map.name}}
    if volume.secret:
        return {"secret": {"secretName": volume.secret.name}}
    return {"emptyDir": written(volume.empty_dir) if volume.empty_dir else {}}


def _keys(variables: VariablesSource) -> Object:
    """Return what variables come from as files. That it is missing is told of the variables, which say so at once."""
    if variables.secret_ref:
        return {"secret": {"secretName": variables.secret_ref.name, "defaultMode": 0o440, "optional": True}}
    assert variables.config_map_ref is not None
    return {"configMap": {"name": variables.config_map_ref.name, "optional": True}}


def _inputs(run: Run) -> Object:
    given = run.spec.inputs
    assert given is not None

    def one(reference: KeyReference) -> list[dict[str, Any]]:
        return [{"key": reference.key, "path": "inputs.json"}]

    if given.inline is not None:
        return {"configMap": {"name": run.beside}}
    if given.config_map_ref:
        return {"configMap": {"name": given.config_map_ref.name, "items": one(given.config_map_ref)}}
    if given.secret_ref:
        return {"secret": {"secretName": given.secret_ref.name, "items": one(given.secret_ref)}}
    if given.persistent_volume_claim:
        return claim(given.persistent_volume_claim.claim_name)
    return {}


def inputs_map(run: Run) -> list[Object]:
    """Return the ConfigMap that holds data given in the workflow itself, where there is any."""
    given = run.spec.inputs
    if given is None or given.inline is None:
        return []
    metadata = run.metadata(run.beside)
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"inputs.json": given.inline}},
    ]


def network_policy(run: Run) -> list[Object]:
    """Return what keeps pods of the run among themselves, where that is asked for."""
    if run.spec.network_policy != "Isolated":
        return []
    ours = {"podSelector": {"matchLabels": run.selector}}
    # A policy counts where a pod listens, behind its Service: who answers for names may do so at 5353.
    names = {"ports": [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in (53, 5353)]}
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": run.metadata(run.beside),
            "spec": {
                **ours,
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [ours]}, {"from": [_OPERATOR], "ports": [{"protocol": "TCP", "port": PROGRESS}]}],
                "egress": [{"to": [ours]}, names],
            },
        }
    ]


def job(run: Run, attempt: int, pod: Object, **more: Any) -> Object:
    """Return a Job that tries once: attempts are the operator's."""
    queue = run.spec.scheduling.queue_name if run.spec.scheduling else None
    metadata = run.metadata(run.child(attempt), attempt=str(attempt))
    if queue:
        metadata["labels"]["kueue.x-k8s.io/queue-name"] = queue
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "podFailurePolicy": {"rules": [_DISRUPTED]},
            "completions": 1,
            "parallelism": 1,
            **({"suspend": True} if queue else {}),
            **more,
            "template": pod,
        },
    }
