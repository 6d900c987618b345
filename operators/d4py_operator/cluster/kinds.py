# SPDX-License-Identifier: Apache-2.0
"""Where in the API each kind of object is that the operator deals with."""

from __future__ import annotations

from typing import NamedTuple

from d4py_operator.objects import Key


class Kind(NamedTuple):
    """Its group and version as part of a path, and its name there."""

    base: str
    plural: str

    @property
    def api_version(self) -> str:
        """Its group and version as objects name them."""
        return self.base.partition("/")[2]


KINDS = {
    "Workflow": Kind("apis/d4py.dev/v1alpha1", "workflows"),
    "WorkflowTemplate": Kind("apis/d4py.dev/v1alpha1", "workflowtemplates"),
    "CronWorkflow": Kind("apis/d4py.dev/v1alpha1", "cronworkflows"),
    "Job": Kind("apis/batch/v1", "jobs"),
    "MPIJob": Kind("apis/kubeflow.org/v2beta1", "mpijobs"),
    "Pod": Kind("api/v1", "pods"),
    "Service": Kind("api/v1", "services"),
    "ConfigMap": Kind("api/v1", "configmaps"),
    "Secret": Kind("api/v1", "secrets"),
    "NetworkPolicy": Kind("apis/networking.k8s.io/v1", "networkpolicies"),
    "Event": Kind("api/v1", "events"),
    "Lease": Kind("apis/coordination.k8s.io/v1", "leases"),
}


def collection(kind: str, namespace: str) -> str:
    """Return the path of all objects of a kind; in all namespaces where none is named."""
    where = KINDS[kind]
    return f"/{where.base}/namespaces/{namespace}/{where.plural}" if namespace else f"/{where.base}/{where.plural}"


def place(key: Key) -> str:
    """Return the path of an object."""
    return f"{collection(key.kind, key.namespace)}/{key.name}"
