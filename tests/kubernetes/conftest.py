# SPDX-License-Identifier: Apache-2.0
"""One real control plane for all tests."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kubernetes.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A control plane, up. Pods stay pending, unless a test has nodes played."""
    with tempfile.TemporaryDirectory(prefix="d4py-kubernetes-", dir="/var/tmp") as folder:
        kubernetes = Cluster(Path(folder))
        try:
            kubernetes.up()
            yield kubernetes
        finally:
            kubernetes.down()


@pytest.fixture(scope="module")
def played(cluster: Cluster) -> Iterator[Cluster]:
    """The same, with a node on which pods are played."""
    with cluster.played():
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    words = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())[:50].strip("-")
    name = f"{words}-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
