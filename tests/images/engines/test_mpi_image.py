# SPDX-License-Identifier: Apache-2.0
"""The MPI image, as kubeflow's MPIJob uses it: workers with an sshd, a launcher that starts ranks on them; none has any right."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.images.engines.daemons import RESTRICTED, eventually

WORKERS = ("w0", "w1")
SSHD = ["/usr/sbin/sshd", "-De", "-f", "/opt/d4py/etc/sshd_config"]
WORKFLOW = """
import socket
import d4py


@d4py.producer
def numbers(n: int = 6):
    yield from range(n)


class Where(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self.numprocesses = 3
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs):
        return {"output": (inputs["input"], socket.gethostname())}


workflow = numbers() >> Where()
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workflow, a list of hosts, a folder that all see for the run, and keys as a Secret mounts them: of root, and everybody may read them."""
    tmp_path.chmod(0o755)
    (tmp_path / "wf.py").write_text(WORKFLOW)
    (tmp_path / "hosts").write_text("".join(f"{name} slots=2\n" for name in WORKERS))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o777)
    keys = tmp_path / "keys"
    keys.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / "id_rsa"], check=True)
    (keys / "authorized_keys").write_bytes((keys / "id_rsa.pub").read_bytes())
    for key in keys.iterdir():
        key.chmod(0o644)
    return tmp_path


@pytest.fixture
def network(daemon: docker.DockerClient) -> Iterator[str]:
    """A network on which containers know each other by name."""
    made = daemon.networks.create("d4py-tests", driver="bridge", options={"com.docker.network.bridge.name": "d4pydk0"})
    try:
        yield "d4py-tests"
    finally:
        made.remove()


@pytest.fixture
def start(daemon: docker.DockerClient, mpi_image: str, network: str, work: Path) -> Iterator[Callable[..., Any]]:
    """Start a container of the image on the network."""
    started = []

    def call(name: str, command: list[str], **environment: str) -> Any:
        own = {key: value for key, value in RESTRICTED.items() if key not in ("network_mode", "remove")}
        folders = [f"{work}:/flow:ro", f"{work / 'keys'}:/data/.ssh:ro", f"{work / 'runs'}:/runs"]
        where = {"network": network, "hostname": name, "name": f"d4py-{name}", "volumes": folders, "init": True}
        container = daemon.containers.create(
            mpi_image, command[1:], entrypoint=command[0], environment=environment, **own, **where
        )
        started.append(container)
        container.start()
        return container

    try:
        yield call
    finally:
        for container in started:
            container.remove(force=True, v=True)


def listens(worker: Any) -> bool:
    return b"listening" in worker.logs()


def test_ranks_on_two_workers_run_a_workflow(start: Callable[..., Any]) -> None:
    """The first rank checks that the world is the one that was meant; outputs come from both hosts."""
    for worker in [start(name, SSHD) for name in WORKERS]:
        eventually(partial(listens, worker), "an sshd to listen")
    passed_on = [word for name in ("D4PY_RANKS", "D4PY_NODES") for word in ("-x", name)]
    words = ["d4py", "run", "/flow/wf.py", "--mapping", "mpi", "--run-dir", "/runs/one"]

    launcher = start(
        "launcher",
        ["mpirun", "-np", "4", *passed_on, *words],
        OMPI_MCA_orte_default_hostfile="/flow/hosts",
        D4PY_RANKS="4",
        D4PY_NODES="2",
    )
    code, said = launcher.wait()["StatusCode"], launcher.logs().decode()

    assert code == 0, said
    assert "on mpi" in said
    assert "'w0')" in said
    assert "'w1')" in said
