# SPDX-License-Identifier: Apache-2.0
"""What the other tests rest on: the API server is a real one, and pods that are played end as they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.kubernetes.cluster import Cluster

PLAYS = [({}, "Complete", 0), ({"play/exit-code": "3", "play/after": "1s"}, "Failed", 3)]


def job(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    container = {"name": "main", "image": "none"}
    pod = {"metadata": {"annotations": annotations}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": pod},
    }


def test_what_changed_meanwhile_is_not_overwritten(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "configmap", "shared", "-n", namespace)
    stale = cluster.get("configmap", "shared", namespace=namespace)
    cluster.kubectl("label", "configmap", "shared", "-n", namespace, "by=another")

    refused = cluster.call("kubectl", "replace", "-f", "-", given=json.dumps({**stale, "data": {"key": "value"}}))

    assert refused.returncode == 1
    assert "the object has been modified" in refused.stderr


def test_an_account_has_the_rights_that_it_was_given(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    cluster.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods", "-n", namespace)
    cluster.kubectl(
        "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:reader", "-n", namespace
    )
    kubeconfig = f"--kubeconfig={cluster.kubeconfig_of('reader', namespace=namespace)}"

    assert cluster.call("kubectl", kubeconfig, "get", "pods").returncode == 0
    refused = cluster.call("kubectl", kubeconfig, "get", "secrets")
    assert "Forbidden" in refused.stderr


def test_what_an_object_owned_goes_with_it(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "configmap", "owner", "-n", namespace)
    owner = cluster.get("configmap", "owner", namespace=namespace)["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner}
    owned = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "owned", "ownerReferences": [reference]}}
    cluster.apply(owned, namespace=namespace)

    cluster.kubectl("delete", "configmap", "owner", "-n", namespace)

    cluster.kubectl("wait", "--for=delete", "secret/owned", "-n", namespace, "--timeout=60s")


@pytest.mark.parametrize(("annotations", "condition", "code"), PLAYS)
def test_a_job_whose_pod_is_played_ends_as_told(
    annotations: dict[str, str], condition: str, code: int, played: Cluster, namespace: str
) -> None:
    played.apply(job("act", annotations), namespace=namespace)

    played.kubectl("wait", f"--for=condition={condition}", "job/act", "-n", namespace, "--timeout=30s")
    (pod,) = played.get("pods", "-l", "job-name=act", namespace=namespace)["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
