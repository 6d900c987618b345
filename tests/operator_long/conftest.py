# SPDX-License-Identifier: Apache-2.0
"""The control plane of the suite operator, with a node that is played and the real MPI Operator."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.conftest import api, cluster, defined
from tests.operator.hands import Hands
from tests.operator.process import Process

from d4py_operator.cluster.api import Api

__all__ = ["api", "cluster", "defined"]

Start = Callable[[], Process]
CORE = 0  # on which every operator runs


@pytest.fixture(scope="session")
def busy(defined: Cluster) -> Iterator[Cluster]:
    """All of it, at work."""
    defined.kubectl("create", "namespace", "mpi-operator")
    words = ("-kubeConfig", str(defined.kubeconfig), "-lock-namespace", "mpi-operator")
    rate = ("-kube-api-qps", "500", "-kube-api-burst", "1000", "-controller-queue-rate-limit", "500")
    defined.start("mpi-operator", "mpi-operator", *words, *rate)
    with defined.played():
        yield defined


@pytest.fixture(scope="module", params=["end at once", "run on"])
def life(request: pytest.FixtureRequest) -> str:
    """What the pods do."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def hands(api: Api, life: str) -> Iterator[Hands]:
    """Somebody in a namespace of their own."""
    name = f"crowd-{secrets.token_hex(4)}"
    api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield Hands(api, name)
    api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def start(busy: Cluster, hands: Hands, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts operators, all on one core, and ends what is left of them."""
    folder: Path = tmp_path_factory.mktemp("operators")
    started: list[Process] = []

    def begin() -> Process:
        started.append(Process(busy, hands.namespace, folder / f"{len(started)}.log", seconds=15))
        started[-1].pin(CORE)
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.end()
