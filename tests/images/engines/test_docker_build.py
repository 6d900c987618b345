# SPDX-License-Identifier: Apache-2.0
"""The docker engine carries out the same plan as d4py does by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from tests.images.conftest import SQUARES, Place
from tests.images.engines.daemons import Registry
from tests.images.older import built

from d4py.packaging.layout import Image

Write = Callable[..., Path]
LISTED = [
    "-c",
    "cd /opt/d4py && find . | sort | while read -r name; do stat -c '%n %A %u %g %Y' $name; sha256sum $name; done 2>&1",
]
CHAIN = "dev.d4py.chain"


@pytest.fixture
def by_docker(shared: Place, write: Write, daemon: docker.DockerClient) -> docker.models.images.Image:
    """The image of a workflow, built by the engine."""
    shared.build(write(), "-t", "squares:engine", "--engine", "docker")
    return daemon.images.get("squares:engine")


def test_the_image_is_the_one_that_is_built_natively(
    by_docker: docker.models.images.Image, daemon: docker.DockerClient, shared: Place, write: Write
) -> None:
    """The same files, rights and times, and the same settings; only what an engine notes of itself differs."""
    shared.build(write(), "-t", "squares:engine")
    native: Image = shared.image("squares:engine")
    shared.d4py("export", "squares:engine", "-o", shared.path / "engine.tar")
    loaded = daemon.images.load((shared.path / "engine.tar").read_bytes())[0]

    theirs, ours = (
        daemon.containers.run(image.id, LISTED, entrypoint="sh", user="0:0", remove=True)
        for image in (by_docker, loaded)
    )
    config = by_docker.attrs["Config"]

    assert theirs == ours
    assert {name: value for name, value in config["Labels"].items() if name != CHAIN} == native.labels
    for name in ("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Volumes"):
        assert config[name] == native.config["config"][name]


def test_what_a_base_of_ours_has_of_older_versions_is_hidden(
    daemon: docker.DockerClient, shared: Place, write: Write, tmp_path: Path
) -> None:
    """The same files are left that the native engine leaves."""
    built(shared, write, tmp_path)
    shared.d4py("export", "newer:1", "-o", tmp_path / "native.tar")
    native = daemon.images.load((tmp_path / "native.tar").read_bytes())[0]
    (tmp_path / "again").mkdir()
    built(shared, write, tmp_path / "again", "--engine", "docker")

    ours, theirs = (
        daemon.containers.run(image, LISTED, entrypoint="sh", user="0:0", remove=True)
        for image in (native.id, daemon.images.get("newer:1").id)
    )

    assert native.id != daemon.images.get("newer:1").id
    assert theirs == ours
    assert b"layered/new.py" in theirs
    assert not [name for name in (b"layered/gone.py", b"layered_extra", b"squares/old.py", b".wh.") if name in theirs]


def test_what_did_not_change_is_not_made_again(
    by_docker: docker.models.images.Image, daemon: docker.DockerClient, shared: Place, write: Write
) -> None:
    before = by_docker.attrs["RootFS"]["Layers"]

    shared.build(write(), "-t", "squares:engine", "--engine", "docker")
    same = daemon.images.get("squares:engine")
    changed = write({"workflow.py": SQUARES.replace("x * x", "x * x * x")})
    shared.build(changed, "-t", "squares:engine", "--engine", "docker")
    after = daemon.images.get("squares:engine").attrs["RootFS"]["Layers"]

    assert same.id == by_docker.id
    assert after[:3] == before[:3]  # base, dependencies, d4py
    assert after[3] != before[3]
    assert daemon.containers.run("squares:engine", remove=True).endswith(b"square.output: 8\n")


def test_an_image_of_the_engine_is_a_base(
    daemon: docker.DockerClient, runtime: str, shared: Place, write: Write
) -> None:
    """No file and no registry has it."""
    shared.d4py("build", write(), "-t", "squares:on", "--base", "d4py-tests:base", "--engine", "docker")

    base, image = (daemon.images.get(name).attrs["RootFS"]["Layers"] for name in ("d4py-tests:base", "squares:on"))

    assert image[: len(base)] == base


def test_the_engine_pushes_what_it_built(
    logged_in: Registry, daemon: docker.DockerClient, shared: Place, write: Write, tmp_path: Path
) -> None:
    name = f"{logged_in.host}/seismo/engine:1"
    words = (write(), "-t", name, "--engine", "docker", "--push")

    refused = shared.build(*words, code=3, DOCKER_CONFIG=str(tmp_path))
    shared.build(*words)

    assert "The container engine refuses" in refused.stderr
    assert (logged_in.root / "data/docker/registry/v2/repositories/seismo/engine/_manifests/tags/1").is_dir()


@pytest.mark.parametrize("flag", ["--check", "--output=there", "--ca=file"])
def test_what_only_the_native_engine_does(shared: Place, write: Write, flag: str) -> None:
    ran = shared.build(write(), "--engine", "docker", flag, code=2)

    assert f"{flag.partition('=')[0]} is for the engine native." in ran.stderr
