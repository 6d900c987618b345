# SPDX-License-Identifier: Apache-2.0
"""To a real registry and back."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from tests.images.conftest import Place
from tests.images.engines.daemons import PASSWORD, USER, Authority, Registry
from tests.images.engines.tokens import Tokens

from d4py.packaging.layout import Image

Write = Callable[..., Path]


def login(room: Path, host: str, user: str = USER, password: str = PASSWORD) -> str:
    """Write what `docker login` writes; return its folder."""
    room.mkdir(exist_ok=True)
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    (room / "config.json").write_text(json.dumps({"auths": {host: {"auth": token}}}))
    return str(room)


@pytest.fixture
def pushed(logged_in: Registry, shared: Place, write: Write) -> tuple[str, Image]:
    """An image in the registry, and what was built."""
    name = f"{logged_in.host}/seismo/squares:1"
    ca = logged_in.authority.certificate if logged_in.authority else ""
    shared.build(write(), "-t", name, "--push", "--ca", ca)
    return name, shared.image(name)


def test_an_image_comes_back_as_it_went_and_is_a_base(
    pushed: tuple[str, Image], logged_in: Registry, authority: Authority, place: Place, write: Write
) -> None:
    """A machine that has nothing pulls it as a base: its layers are the same blobs, and ours are on them."""
    name, image = pushed

    place.d4py("build", write(name="other"), "-t", "other:1", "--base", name, "--ca", authority.certificate)

    own = place.image("other:1")
    assert [layer.digest for layer in own.layers[: len(image.layers)]] == [layer.digest for layer in image.layers]
    assert own.labels["org.opencontainers.image.base.digest"] == image.digest


def test_what_a_registry_has_is_not_sent_twice(
    pushed: tuple[str, Image], logged_in: Registry, authority: Authority, shared: Place, write: Write
) -> None:
    blobs = logged_in.root / "data" / "docker" / "registry" / "v2" / "blobs"
    before = {path: path.stat().st_mtime_ns for path in blobs.rglob("data")}

    shared.build(write(), "-t", pushed[0], "--push", "--ca", authority.certificate)

    assert {path: path.stat().st_mtime_ns for path in blobs.rglob("data")} == before


def test_docker_pulls_what_was_pushed(pushed: tuple[str, Image], daemon: docker.DockerClient) -> None:
    """To the engine a registry of this machine is one that it need not know."""
    name, image = pushed

    there = daemon.images.pull(name, auth_config={"username": USER, "password": PASSWORD})

    assert there.id == image.config_descriptor.digest
    assert daemon.containers.run(there.id, remove=True).endswith(b"square.output: 4\n")


def test_a_registry_wants_a_password(
    registry: Registry, authority: Authority, shared: Place, write: Write, tmp_path: Path
) -> None:
    words = (write(), "-t", f"{registry.host}/squares:1", "--push", "--ca", authority.certificate)

    nobody = shared.build(*words, code=3, DOCKER_CONFIG=str(tmp_path))
    other = shared.build(*words, code=3, DOCKER_CONFIG=login(tmp_path / "wrong", registry.host, password="guessed"))

    assert "somebody without a password push to squares. Log in: docker login" in nobody.stderr
    assert "the user that docker login left push to squares. Log in: docker login" in other.stderr
    assert "guessed" not in other.stderr


def test_who_vouches_for_a_registry_must_be_known(
    logged_in: Registry, shared: Place, write: Write, tmp_path: Path
) -> None:
    words = (write(), "-t", f"{logged_in.host}/squares:1", "--push")
    (tmp_path / "none.crt").write_text("no certificate")

    unknown = shared.build(*words, code=3)
    damaged = shared.build(*words, "--ca", tmp_path / "none.crt", code=2)
    absent = shared.build(*words, "--ca", tmp_path / "absent.crt", code=2)

    assert (
        "is not trusted: its authority is not known. Give the certificate of its authority with --ca" in unknown.stderr
    )
    assert "it holds no certificate" in damaged.stderr
    assert "No such file" in absent.stderr


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("nowhere.invalid/squares:1", 3, "cannot be reached"),
        ("localhost:1/squares:1", 3, "nobody listens there"),
        ("squares:1", 2, "names no registry to push to"),
    ],
)
def test_where_no_registry_is(shared: Place, write: Write, name: str, code: int, why: str) -> None:
    ran = shared.build(write(), "-t", name, "--push", code=code)

    assert why in ran.stderr


def test_a_base_that_a_registry_does_not_have(
    logged_in: Registry, authority: Authority, shared: Place, write: Write
) -> None:
    name = f"{logged_in.host}/seismo/nothing:1"

    ran = shared.d4py("build", write(), "--base", name, "--ca", authority.certificate, code=2)

    assert f"There is no image {name}." in ran.stderr


def test_a_base_whose_registry_cannot_be_reached(shared: Place, write: Write) -> None:
    """The remedy is a base that needs none."""
    ran = shared.d4py("build", write(), "--base", "nowhere.invalid/python:3", code=3)

    assert "The base 'nowhere.invalid/python:3' is not here" in ran.stderr
    assert "scripts/base_image" in ran.stderr


def test_credentials_of_a_store_are_used(
    registry: Registry, authority: Authority, shared: Place, write: Write, tmp_path: Path
) -> None:
    """docker login keeps passwords in the store that its configuration names: a program."""
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "shelf"}}))
    helper = tmp_path / "docker-credential-shelf"
    helper.write_text(f'#!/bin/sh\necho \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n')
    words = (write(), "-t", f"{registry.host}/squares:2", "--push", "--ca", authority.certificate)

    missing = shared.build(*words, code=2, DOCKER_CONFIG=str(tmp_path))
    helper.chmod(0o755)
    shared.build(*words, DOCKER_CONFIG=str(tmp_path), PATH=f"{tmp_path}:/usr/bin:/bin")

    assert "docker-credential-shelf not installed" in missing.stderr


@pytest.fixture
def by_tokens(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry that believes tokens; the password for them is where docker keeps it."""
    tokens = Tokens(tmp_path / "tokens", authority)
    server = Registry(tmp_path / "registry", authority, auth=tokens.section)
    monkeypatch.setenv("DOCKER_CONFIG", login(tmp_path / "docker", server.host))
    try:
        yield server
    finally:
        server.end()
        tokens.end()


def test_a_registry_with_tokens_lets_everybody_into_his_own_room(
    by_tokens: Registry, authority: Authority, shared: Place, place: Place, write: Write, tmp_path: Path
) -> None:
    """What it may not do is told; what everybody may do needs no password."""
    name, ca = f"{by_tokens.host}/seismo/squares:1", ("--ca", authority.certificate)
    shared.build(write(), "-t", name, "--push", *ca)

    denied = shared.build(write(), "-t", f"{by_tokens.host}/others/squares:1", "--push", *ca, code=3)
    place.d4py("build", write(), "-t", "on:1", "--base", name, *ca, DOCKER_CONFIG=str(tmp_path / "nobody"))

    assert f"{by_tokens.host} does not let the user that docker login left push to others/squares." in denied.stderr
    assert place.image("on:1").labels["org.opencontainers.image.base.digest"] == shared.image(name).digest


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Registry]:
    """A registry of this machine, without TLS and without room."""
    root = tmp_path / "full"
    (root / "data").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", root / "data"], check=True)
    server = Registry(root, None)
    try:
        yield server
    finally:
        server.end()
        subprocess.run(["umount", root / "data"], check=True)


def test_a_registry_without_room(full: Registry, shared: Place, write: Write) -> None:
    ran = shared.build(write(), "-t", f"{full.host}/squares:1", "--push", code=3)

    assert f"{full.host} answers 5" in ran.stderr


def test_a_registry_that_takes_nothing(tmp_path: Path, shared: Place, write: Write) -> None:
    server = Registry(tmp_path / "closed", None, closed=True)
    try:
        ran = shared.build(write(), "-t", f"{server.host}/squares:1", "--push", code=3)
    finally:
        server.end()

    assert "answers 405" in ran.stderr
