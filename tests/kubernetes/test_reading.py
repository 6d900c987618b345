# SPDX-License-Identifier: Apache-2.0
"""The pod that reads the outputs of a run: it is like the run's own, for it must start where that one did, and read what that one wrote."""

from __future__ import annotations

from typing import Any

import pytest
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.test_target import served, tell

from d4py.targets.kubernetes.manifest import RUNTIME
from d4py.targets.kubernetes.reader import manifest

__all__ = ["served"]

TEMPLATE: dict[str, Any] = {
    "image": "lab.example/flow:1",
    "imagePullPolicy": "Always",
    "imagePullSecrets": [{"name": "login"}],
    "serviceAccountName": "lab",
    "scheduling": {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "priorityClassName": "high",
        "schedulerName": "other",
        "queueName": "lab",
        "gang": False,
    },
    "template": {
        "labels": {"team": "a"},
        "spec": {
            "affinity": {"nodeAffinity": {}},
            "runtimeClassName": "gvisor",
            "securityContext": {"runAsUser": 2000, "fsGroup": 2001},
            "terminationGracePeriodSeconds": 600,
        },
    },
}
DIGEST = f"lab.example/flow@sha256:{'ab' * 32}"


def workflow(spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    metadata = {"name": "demo", "namespace": "lab", "uid": "w-1"}
    return {
        "apiVersion": "d4py.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


@pytest.mark.parametrize(
    "run",
    [
        workflow({"templateRef": {"name": "site"}}, template=TEMPLATE),
        workflow(TEMPLATE),
        workflow({**TEMPLATE, "templateRef": {"name": "site"}}, template={"image": "other:1", "scheduling": {}}),
    ],
    ids=["of its template", "of its own", "of both"],
)
def test_it_is_placed_and_pulled_as_the_runs_own_pods(run: dict[str, Any]) -> None:
    spec = manifest(run, "results")["spec"]

    (container,) = spec["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("lab.example/flow:1", "Always")
    placed = ("nodeSelector", "tolerations", "priorityClassName", "schedulerName")
    assert {name: spec[name] for name in placed} == {name: TEMPLATE["scheduling"][name] for name in placed}
    same = ("imagePullSecrets", "serviceAccountName")
    assert {name: spec[name] for name in same} == {name: TEMPLATE[name] for name in same}
    assert (spec["affinity"], spec["runtimeClassName"]) == ({"nodeAffinity": {}}, "gvisor")
    assert "terminationGracePeriodSeconds" not in spec
    assert spec["automountServiceAccountToken"] is False


def test_it_reads_as_the_user_who_wrote() -> None:
    context = manifest(workflow(TEMPLATE), "results")["spec"]["securityContext"]

    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (2000, 1000, 2001)
    assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})


@pytest.mark.parametrize(
    ("run", "image"),
    [
        (workflow({"image": "own:1"}, image={"resolvedDigest": DIGEST}), "own:1"),
        (workflow({"templateRef": {"name": "site"}}, image={"resolvedDigest": DIGEST}), DIGEST),
        (workflow({"templateRef": {"name": "site"}}, image={"resolvedDigest": "sha256:" + "ab" * 32}), RUNTIME),
        (workflow({"templateRef": {"name": "site"}}), RUNTIME),
    ],
    ids=["named", "of a run whose template nobody kept", "of which only its id is known", "unknown"],
)
def test_its_image_is_the_runs(run: dict[str, Any], image: str) -> None:
    spec = manifest(run, "results")["spec"]

    assert spec["containers"][0]["image"] == image
    assert not {"imagePullSecrets", "tolerations", "nodeSelector", "affinity", "serviceAccountName"} & set(spec)


def test_it_goes_with_its_workflow(served: Cluster, namespace: str) -> None:
    """Whoever made it may have been killed before it was deleted."""
    spec = {"graph": {"module": "a"}, "image": "a:1"}
    body = {"apiVersion": "d4py.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "demo"}, "spec": spec}
    served.apply(body, namespace=namespace)
    tell(
        served, f"kubernetes://{namespace}/demo", phase="Succeeded", template={"imagePullSecrets": [{"name": "login"}]}
    )
    pod = manifest(served.get("d4wf", "demo", namespace=namespace), "results")
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    served.wait_for(lambda: served.ask(account), "the account that pods have")
    served.apply(pod, namespace=namespace)
    name = pod["metadata"]["name"]
    assert served.get("pod", name, namespace=namespace)["spec"]["imagePullSecrets"] == [{"name": "login"}]

    served.kubectl("delete", "d4wf", "demo", "-n", namespace)

    served.wait_for(lambda: served.ask(f"/api/v1/namespaces/{namespace}/pods/{name}") is None, "the reader to go")
