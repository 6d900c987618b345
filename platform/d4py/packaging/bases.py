# SPDX-License-Identifier: Apache-2.0
"""Finds the base that a name means: a file or a folder, an image of the store, one in a registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import BuildError, ImageError
from d4py.packaging import archive, registry, store
from d4py.packaging.daemon import saved
from d4py.packaging.layout import Layout
from d4py.packaging.probe import base_of
from d4py.packaging.reference import parse

if TYPE_CHECKING:
    from d4py.packaging.base import Base
    from d4py.packaging.cache import Cache
    from d4py.packaging.layout import Image

DEFAULT = "python:3.12-slim"


def find(name: str, cache: Cache, *, authority: str | None = None, client: Any = None) -> Base:
    """Return a base. authority: who vouches for the registry it may be in. client: of an engine that may have it. Raises ImageError."""
    return base_of(name, _image(name, cache, authority, client), cache)


def _image(name: str, cache: Cache, authority: str | None, client: Any) -> Image:
    if Path(name).exists():
        return archive.image_of(Path(name), cache)
    if name.startswith((".", "/")) or Path(name).suffix in (".tar", ".gz", ".xz"):
        raise ImageError(f"There is no base {name!r}.", hint="scripts/base_image makes one and prints where it is.")
    reference = parse(name)
    known = saved(client, str(reference), cache) if client else None
    if known is not None:
        return known
    if str(reference) in store.names():
        return store.find(name)
    try:
        return registry.pull(reference, Layout.create(store.cache() / "pulled"), authority=authority)
    except BuildError as error:
        raise BuildError(
            f"The base {name!r} is not here, and its registry does not give it: {error.message}",
            hint=f"{error.hint} Or make a base without a registry, by scripts/base_image, and name it with --base.",
        ) from None
