# SPDX-License-Identifier: Apache-2.0
"""One containerd, one dockerd and one registry for all tests of the engines."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from tests.images.engines import builder
from tests.images.engines.daemons import PASSWORD, USER, Authority, Engines, Registry


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """containerd and dockerd, up."""
    with tempfile.TemporaryDirectory(prefix="d4py-engines-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        both = Engines(Path(folder))
        try:
            both.up()
            yield both
        finally:
            both.down()


@pytest.fixture(scope="session")
def daemon(engines: Engines) -> Iterator[docker.DockerClient]:
    """The docker engine, to look at what it has; without containers at the end."""
    client = docker.DockerClient(base_url=engines.host)
    try:
        yield client
    finally:
        for container in client.containers.list(all=True):
            container.remove(force=True, v=True)
        client.close()


@pytest.fixture(scope="session", autouse=True)
def _engine_of_the_user(engines: Engines) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engines.host)
        yield


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the registry."""
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def registry(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants TLS and a password."""
    server = Registry(tmp_path_factory.mktemp("registry"), authority)
    try:
        yield server
    finally:
        server.end()


@pytest.fixture
def logged_in(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry, with the password where `docker login` leaves it."""
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": token}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return registry


@pytest.fixture(scope="session")
def runtime(daemon: docker.DockerClient, base: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The runtime image, built from the Dockerfile at the root."""
    with open(base, "rb") as file:
        daemon.api.import_image_from_data(file, repository="d4py-tests", tag="base")
    builder.with_pip(daemon, "d4py-tests:base", "d4py-tests:builder", tmp_path_factory.mktemp("builder"))
    builder.built(daemon, builder.ROOT, "d4py:tests", BASE="d4py-tests:base", BUILDER="d4py-tests:builder")
    return "d4py:tests"


@pytest.fixture(scope="session")
def mpi_image(daemon: docker.DockerClient, runtime: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The MPI image on it."""
    builder.with_sources(daemon, runtime, "d4py-tests:sources", tmp_path_factory.mktemp("sources"))
    builder.built(daemon, builder.ROOT / "images" / "mpi", "d4py-mpi:tests", BASE="d4py-tests:sources")
    return "d4py-mpi:tests"


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> None:
    """The daemons are children of these tests, and so is what they start."""
