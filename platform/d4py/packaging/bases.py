# SPDX-License-Identifier: Apache-2.0
"""Finds the base that a name means: a file or a folder, an image of the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import ImageError
from d4py.packaging import archive, store
from d4py.packaging.probe import base_of
from d4py.packaging.reference import parse

if TYPE_CHECKING:
    from d4py.packaging.base import Base
    from d4py.packaging.cache import Cache
    from d4py.packaging.layout import Image

DEFAULT = "python:3.12-slim"


def find(name: str, cache: Cache) -> Base:
    """Return a base. Raises ImageError where there is none."""
    return base_of(name, _image(name, cache), cache)


def _image(name: str, cache: Cache) -> Image:
    if Path(name).exists():
        return archive.image_of(Path(name), cache)
    if ("/" in name and not Path(name).parent.is_dir()) or Path(name).suffix in (".tar", ".gz", ".xz"):
        raise ImageError(f"There is no base {name!r}.", hint="scripts/base_image makes one and prints where it is.")
    if str(parse(name)) in store.names():
        return store.find(name)
    raise ImageError(
        f"There is no base {name!r} here.", hint="Give --base a tar, an OCI layout or an image of the store."
    )
