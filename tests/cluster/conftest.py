# SPDX-License-Identifier: Apache-2.0
"""One real cluster of two nodes for all tests, with the operator installed by helm. Tests that take a `lab` go on beside each other."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster import machine
from tests.cluster.beside import Act, Courses
from tests.cluster.lab import Here, Lab
from tests.cluster.nodes import Nodes
from tests.cluster.registries import PRIVATE, Registries
from tests.cluster.squares import SCIENCE
from tests.images.engines.daemons import PASSWORD, USER
from tests.kubernetes.cluster import ROOT

SYSTEM = "d4py-system"
CLAIMS = ("archive", "results")
AT_ONCE = 8  # tests: their runs wait more than they work, but their commands and pods begin


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> None:
    """Nodes are children of these tests, and one that was killed is begun anew."""


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that pods see too, through their claims."""
    with tempfile.TemporaryDirectory(prefix="d4py-cluster-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def registries(folder: Path) -> Iterator[Registries]:
    """What the project's recipes make, in registries: it is made while the nodes begin."""
    both = Registries(folder / "registries")
    try:
        yield both
    finally:
        both.end()


@pytest.fixture(scope="session")
def bare(folder: Path, registries: Registries) -> Iterator[Nodes]:
    """Two nodes that pull from the registries, the real MPI Operator, and nothing of d4py."""
    nodes = Nodes(folder / "cluster", registries=registries.servers)
    try:
        nodes.up()
        nodes.kubectl("apply", "--server-side", "-f", str(nodes.programs / "mpijobs.yaml"))
        # Its operator ends where its definition is not served yet.
        established = ("wait", "--for=condition=Established", "crd/mpijobs.kubeflow.org")
        nodes.wait_for(lambda: nodes.call("kubectl", *established).returncode == 0, "MPIJobs to be served")
        nodes.kubectl("create", "namespace", "mpi-operator")
        flags = ("-kubeConfig", str(nodes.kubeconfig), "-lock-namespace", "mpi-operator")
        qps = ("-kube-api-qps", "50", "-kube-api-burst", "100")
        apart = machine.network(1)  # it insists on a port that this machine may have given to another
        nodes.keep("mpi-operator", "mpi-operator", *flags, *qps, inside=apart)
        yield nodes
    finally:
        nodes.down()


@pytest.fixture(scope="session")
def cluster(bare: Nodes, registries: Registries) -> Nodes:
    """The same, with the chart installed, and a namespace in which people work, which takes restricted pods only."""
    registries.filled()
    where = (f"--namespace={SYSTEM}", "--create-namespace")
    ran = bare.call("helm", "install", "d4py", str(ROOT / "helm" / "d4py"), *where, "--wait", "--timeout=110s")
    assert ran.returncode == 0, ran.stderr + bare.kubectl("describe", "pods", f"--namespace={SYSTEM}", check=False)
    bare.kubectl("create", "namespace", SCIENCE)
    for label in ("enforce", "warn"):
        bare.kubectl("label", "namespace", SCIENCE, f"pod-security.kubernetes.io/{label}=restricted")
    login = (f"--docker-server={PRIVATE}", f"--docker-username={USER}", f"--docker-password={PASSWORD}")
    bare.kubectl("create", "secret", "docker-registry", "login", *login, f"--namespace={SCIENCE}")
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
    bound = ("--for=jsonpath={.status.phase}=Bound", f"--namespace={SCIENCE}", "--timeout=60s")
    cluster.kubectl("wait", *bound, *(f"pvc/{name}" for name in places))
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


@pytest.fixture(scope="session")
def labs(
    cluster: Nodes, registries: Registries, claims: dict[str, Path], archive: Path, folder: Path
) -> Callable[[str], Lab]:
    """Makes labs by name."""
    here = Here(archive, folder)

    def make(name: str) -> Lab:
        room = folder / "labs" / hashlib.sha256(name.encode()).hexdigest()[:12]
        room.mkdir(parents=True)
        return Lab(cluster=cluster, registries=registries, claims=claims, here=here, folder=room)

    return make


@pytest.fixture(scope="session")
def courses(labs: Callable[[str], Lab], request: pytest.FixtureRequest) -> Iterator[Courses]:
    """What the tests do that take a lab: all begun, the cases of a test one after another."""
    chains: dict[str, list[tuple[str, Act]]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "lab" in item.fixturenames:
            given = item.callspec.params if hasattr(item, "callspec") else {}
            act = partial(_at_work, labs(item.nodeid), item.obj, given)
            chains.setdefault(item.originalname, []).append((item.nodeid, act))
    longest_first = sorted(chains.values(), key=len, reverse=True)
    begun = Courses(longest_first, at_once=AT_ONCE)
    try:
        yield begun
    finally:
        begun.close()


def _at_work(lab: Lab, test: Callable[..., None], given: Mapping[str, Any]) -> None:
    try:
        test(lab=lab, **given)
    finally:
        lab.leave()


@pytest.fixture
def lab(courses: Courses) -> None:
    """A lab of the test's own, in which it has begun already."""


@pytest.fixture
def alone(courses: Courses, labs: Callable[[str], Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab when nobody else is at the cluster."""
    courses.over()
    made = labs(request.node.nodeid)
    yield made
    made.leave()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for a test that has begun already."""
    if "lab" not in pyfuncitem.funcargs:
        return None
    begun = pyfuncitem.funcargs["courses"]
    assert isinstance(begun, Courses)
    begun.end(pyfuncitem.nodeid)
    return True


def flagship(**changes: Any) -> dict[str, Any]:
    """Return workflows/ambient_noise/kubernetes.yaml with changes of its spec."""
    workflow: dict[str, Any] = yaml.safe_load((ROOT / "workflows" / "ambient_noise" / "kubernetes.yaml").read_text())
    workflow["spec"] = {name: value for name, value in {**workflow["spec"], **changes}.items() if value is not None}
    return workflow
