# SPDX-License-Identifier: Apache-2.0
"""The real MPI Operator, at work in one namespace."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kubernetes.cluster import Cluster

_HEALTH = 8080  # its own choice: one works on a machine at a time


@contextmanager
def mpi_operator(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Have it work meanwhile. It ends where the API server does not answer it for five seconds."""
    cluster.wait_for(_free, f"port {_HEALTH}")
    flags = ("-kubeConfig", str(cluster.kubeconfig), "-namespace", namespace, "-lock-namespace", namespace)
    cluster.keep("mpi-operator", "mpi-operator", *flags, "-kube-api-qps", "50", "-kube-api-burst", "100")
    try:
        yield
    finally:
        cluster.stop("mpi-operator")


def _free() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", _HEALTH)) != 0
