# SPDX-License-Identifier: Apache-2.0
"""The docker engine: carries out the same plan by a daemon, layer by layer, and leaves the image there under its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.packaging.daemon import loaded
from d4py.packaging.descriptor import canonical, digest_of
from d4py.packaging.native import made
from d4py.packaging.plan import LABEL

if TYPE_CHECKING:
    from pathlib import Path

    from d4py.packaging.cache import Cache
    from d4py.packaging.plan import Plan

_CHAIN = f"{LABEL}.chain"  # the digest of all that an image is made of: what is there already is not made again


def build(plan: Plan, client: Any, cache: Cache) -> str:
    """Carry out a plan; return the id of the image. Raises BuildError."""
    parent = loaded(client, plan.base.image, f"d4py-base:{plan.base.image.digest[7:19]}")
    chain = parent
    for layer in plan.layers:
        blob = made(layer, plan.time, cache).blob
        chain = digest_of(canonical([chain, blob.digest]))
        note = f"d4py build: {layer.name}: {layer.made}"
        parent = _known(client, chain) or _step(
            client, parent, {"Labels": {_CHAIN: chain}}, note, cache.layout.blob(blob.digest)
        )
    settings = plan.settings()
    chain = digest_of(canonical([chain, settings]))
    settings["Labels"] = {**settings["Labels"], _CHAIN: chain}
    image = _known(client, chain) or _step(client, parent, settings, "d4py build: settings", None)
    name, _, tag = plan.reference.rpartition(":")
    client.images.get(image).tag(name, tag)
    return image


def _known(client: Any, chain: str) -> str | None:
    there = client.images.list(all=True, filters={"label": f"{_CHAIN}={chain}"})
    return str(there[0].id) if there else None


def _step(client: Any, parent: str, settings: dict[str, Any], note: str, layer: Path | None) -> str:
    """Put a layer on an image, by way of a container that never starts; return the id of what that makes."""
    container = client.containers.create(parent, command=["-"], entrypoint=[], network_mode="none")
    try:
        if layer is not None:
            with open(layer, "rb") as file:
                container.put_archive("/", file)
        return str(client.api.commit(container.id, message=note, conf=settings)["Id"])
    finally:
        container.remove(v=True)
