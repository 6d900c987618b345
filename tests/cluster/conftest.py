# SPDX-License-Identifier: Apache-2.0
"""One real cluster of two nodes for all tests, with the operator installed by helm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.cluster import images
from tests.cluster.nodes import Nodes
from tests.kubernetes.cluster import ROOT

SYSTEM, SCIENCE = "d4py-system", "science"
CLAIMS = ("archive", "results")


class Told(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Told]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that pods see too, through their claims."""
    with tempfile.TemporaryDirectory(prefix="d4py-cluster-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def bare(folder: Path) -> Iterator[Nodes]:
    """Two nodes with the images, the real MPI Operator, and nothing of d4py."""
    archives = [images.operator(folder), images.flagship(folder)]
    nodes = Nodes(folder / "cluster", images=archives)
    try:
        nodes.up()
        nodes.kubectl("apply", "--server-side", "-f", str(nodes.programs / "mpijobs.yaml"))
        # Its operator ends where its definition is not served yet.
        established = ("wait", "--for=condition=Established", "crd/mpijobs.kubeflow.org")
        nodes.wait_for(lambda: nodes.call("kubectl", *established).returncode == 0, "MPIJobs to be served")
        nodes.kubectl("create", "namespace", "mpi-operator")
        qps = ("-kube-api-qps", "50", "-kube-api-burst", "100")
        nodes.start(
            "mpi-operator",
            "mpi-operator",
            "-kubeConfig",
            str(nodes.kubeconfig),
            "-lock-namespace",
            "mpi-operator",
            *qps,
        )
        yield nodes
    finally:
        nodes.down()


@pytest.fixture(scope="session")
def cluster(bare: Nodes) -> Nodes:
    """The same, with the chart installed, and a namespace in which people work, which takes restricted pods only."""
    repository, _, tag = images.OPERATOR.rpartition(":")
    values = f"image.repository={repository},image.tag={tag},image.pullPolicy=Never"
    where = (f"--namespace={SYSTEM}", "--create-namespace")
    ran = bare.call(
        "helm", "install", "d4py", str(ROOT / "helm" / "d4py"), *where, "--set", values, "--wait", "--timeout=110s"
    )
    assert ran.returncode == 0, ran.stderr + bare.kubectl("describe", "pods", f"--namespace={SYSTEM}", check=False)
    bare.kubectl("create", "namespace", SCIENCE)
    for label in ("enforce", "warn"):
        bare.kubectl("label", "namespace", SCIENCE, f"pod-security.kubernetes.io/{label}=restricted")
    return bare


@pytest.fixture(scope="session")
def claims(cluster: Nodes, folder: Path, archive: Path) -> dict[str, Path]:
    """Claims of the people's namespace, each a folder of this machine that pods may write."""
    places = {"archive": archive, "results": folder / "results"}
    places["results"].mkdir()
    places["results"].chmod(0o777)
    for name, place in places.items():
        size = {"storage": "1Gi"}
        shared: dict[str, Any] = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        volume = {
            **shared,
            "capacity": size,
            "hostPath": {"path": str(place)},
            "claimRef": {"namespace": SCIENCE, "name": name},
        }
        cluster.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume})
        claim = {**shared, "resources": {"requests": size}}
        cluster.apply(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": claim},
            namespace=SCIENCE,
        )
    return places


@pytest.fixture(scope="session")
def archive(folder: Path) -> Path:
    """Three real station files, where pods may read them."""
    fetch = ROOT / "workflows" / "ambient_noise" / "fetch.py"
    told = subprocess.check_output([sys.executable, fetch], text=True)
    copied = folder / "archive"
    subprocess.run(["cp", "-r", told.strip(), copied], check=True)
    subprocess.run(["chmod", "-R", "a+rX", copied], check=True)
    return copied


@pytest.fixture
def call(cluster: Nodes) -> Call:
    """Call d4py as someone with the cluster's kubeconfig does."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}

    def run(*words: str) -> Told:
        command = [sys.executable, "-m", "d4py.cli.main", *words]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        return Told(ran.returncode, ran.stdout, ran.stderr)

    return run


def flagship(**changes: Any) -> dict[str, Any]:
    """Return workflows/ambient_noise/kubernetes.yaml with the image of these tests, and changes of its spec."""
    workflow: dict[str, Any] = yaml.safe_load((ROOT / "workflows" / "ambient_noise" / "kubernetes.yaml").read_text())
    changed = {"image": images.FLAGSHIP, "imagePullPolicy": "Never", **changes}
    workflow["spec"] = {name: value for name, value in {**workflow["spec"], **changed}.items() if value is not None}
    return workflow
