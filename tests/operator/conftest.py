# SPDX-License-Identifier: Apache-2.0
"""A real control plane that knows the custom resources, somebody at it, and an operator that works in one namespace."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.kubernetes.cluster import ROOT, Cluster
from tests.kubernetes.conftest import cluster
from tests.operator.hands import Hands

from d4py_operator.cluster.api import Api, configuration
from d4py_operator.cluster.errors import ApiError
from d4py_operator.cluster.lease import Lease
from d4py_operator.operator import Operator


@pytest.fixture(scope="session")
def defined(cluster: Cluster) -> Cluster:
    """The control plane, with the custom resources."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "helm" / "d4py" / "crds"))
    cluster.kubectl("apply", "--server-side", "-f", str(cluster.programs / "mpijobs.yaml"))
    kinds = ("workflows", "workflowtemplates", "cronworkflows")
    for crd in (*(f"{kind}.d4py.dev" for kind in kinds), "mpijobs.kubeflow.org"):
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=30s")
    return cluster


@pytest.fixture(scope="session")
def api(defined: Cluster) -> Iterator[Api]:
    """Its API, as its administrator has it."""
    found = Api(configuration(str(defined.kubeconfig)))
    yield found
    found.close()


__all__ = ["cluster"]


@pytest.fixture(scope="module")
def hands(api: Api) -> Iterator[Hands]:
    """Somebody in a namespace of the module's own."""
    with somebody(api) as found:
        yield found


@contextmanager
def somebody(api: Api) -> Iterator[Hands]:
    """Have somebody in a namespace of their own."""
    name = f"lab-{secrets.token_hex(4)}"
    api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield Hands(api, name)
    try:
        api.request("DELETE", f"/api/v1/namespaces/{name}")
    except ApiError as error:
        if error.status != 404:  # what a test has deleted
            raise


@contextmanager
def working(
    kubeconfig: str, namespace: str, *more: str, api: type[Api] = Api, seconds: float = 15.0
) -> Iterator[Operator]:
    """Have an operator work in a namespace meanwhile, or in several."""
    client = api(configuration(kubeconfig))
    operator = Operator(
        client, Lease(client, namespace, "test", seconds=seconds), namespaces=[namespace, *more], threads=2
    )
    thread = threading.Thread(target=operator.run, name="operator")
    thread.start()
    try:
        assert operator.acting.wait(60)
        yield operator
    finally:
        operator.ending.set()
        thread.join()
        client.close()


@pytest.fixture(scope="module")
def operator(defined: Cluster, hands: Hands) -> Iterator[Operator]:
    """An operator at work in the module's namespace."""
    with working(str(defined.kubeconfig), hands.namespace) as found:
        yield found
