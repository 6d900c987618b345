# SPDX-License-Identifier: Apache-2.0
"""The container engine of this machine: docker, or what speaks as it does (podman). This room alone speaks to it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import BuildError, ImageError, UsageError
from d4py.packaging import store
from d4py.packaging.archive import image_of
from d4py.packaging.credentials import credentials_of
from d4py.packaging.descriptor import Descriptor
from d4py.packaging.layout import written
from d4py.packaging.registry import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.packaging.cache import Cache
    from d4py.packaging.layout import Image
    from d4py.packaging.reference import Reference

_PATIENCE = 600  # seconds; a large image takes a while to be taken in


@contextmanager
def connected() -> Iterator[Any]:
    """Yield a client of the engine; what it refuses is told in one line. Raises UsageError where there is none."""
    try:
        import docker
        from docker.errors import APIError, DockerException
    except ImportError:
        raise UsageError(
            "The container engine needs a package more.", hint="Install it: pip install 'd4py[images]'."
        ) from None
    import requests

    try:
        client = docker.from_env(timeout=_PATIENCE)
        client.ping()
    except (DockerException, requests.RequestException):
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        raise UsageError(
            f"No container engine answers at {where}.",
            hint="Start docker or podman's service, or name another with DOCKER_HOST; d4py build needs none.",
        ) from None
    try:
        yield client
    except APIError as error:
        raise _refused(error.explanation or str(error)) from None
    except DockerException as error:
        raise _refused(str(error)) from None
    except requests.RequestException:
        raise BuildError("The container engine went away.", hint="Start it again.") from None
    finally:
        client.close()


def found(client: Any, name: str) -> Any:
    """Return an image of the engine by name or id; None where it has none."""
    from docker.errors import ImageNotFound

    try:
        return client.images.get(name)
    except ImageNotFound:
        return None


def saved(client: Any, name: str, cache: Cache) -> Image | None:
    """Return an image of the engine as it can be read here; None where it has none of this name."""
    there = found(client, name)
    if there is None:
        return None
    known = cache.recall("engine", there.id)
    if known is not None and cache.layout.blob(Descriptor.from_json(known).digest).exists():
        return cache.layout.of(Descriptor.from_json(known))
    with written(cache.path), tempfile.NamedTemporaryFile(dir=cache.path, suffix=".tar") as file:
        for chunk in there.save(named=True):
            file.write(chunk)
        file.flush()
        image = image_of(Path(file.name), cache)
    cache.note("engine", there.id, data=image.descriptor.to_json())
    return image


def loaded(client: Any, image: Image, name: str) -> str:
    """Return the id of an image in the engine; it is taken in where it is not there."""
    from d4py.packaging.export import export

    there = found(client, image.config_descriptor.digest)
    if there is not None:
        return str(there.id)
    room = store.cache()  # /tmp may be memory
    with written(room):
        room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".load-", dir=room) as folder:
        archive = Path(folder) / "image.tar"
        export(image, name, "docker-archive", archive)
        with open(archive, "rb") as file:
            taken = client.images.load(file)
    if not taken:
        raise ImageError(f"The engine takes no image {name}.", hint="Build it again.")
    return str(taken[0].id)


def pushed(client: Any, reference: Reference) -> None:
    """Have the engine push an image. Raises BuildError."""
    known = credentials_of(Place.of(reference).host)
    login = {"username": known[0], "password": known[1]} if known else None
    for told in client.images.push(reference.name, tag=reference.tag, auth_config=login, stream=True, decode=True):
        if "error" in told:
            raise _refused(told["error"])


def _refused(said: str) -> BuildError:
    line = " ".join(said.split())[:300].rstrip(".")
    return BuildError(f"The container engine refuses: {line}.", hint="Its log says more.")
