# SPDX-License-Identifier: Apache-2.0
"""The images of this user by name: one OCI layout in ~/.local/share/d4py/images, which other tools can read as it is."""

from __future__ import annotations

import os
from pathlib import Path

from d4py.errors import ImageError, did_you_mean, listed
from d4py.packaging import reference
from d4py.packaging.descriptor import NAME
from d4py.packaging.layout import Image, Layout


def home() -> Path:
    """Return the folder of the images of this user."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "d4py" / "images"


def cache() -> Path:
    """Return the folder of what can be made again: layers by content, bases, locks."""
    folder = os.environ.get("XDG_CACHE_HOME")
    return (Path(folder) if folder else Path.home() / ".cache") / "d4py"


def opened() -> Layout:
    """Return the store; it is made where there is none."""
    return Layout.create(home())


def find(name: str) -> Image:
    """Return an image of the store by its name or digest. Raises ImageError where there is none."""
    wanted = name if name.startswith("sha256:") else str(reference.parse(name))
    known = names()
    if wanted not in {*known, *known.values()}:
        raise ImageError(
            f"There is no image {wanted!r}; there is {listed(known)}.",
            hint=did_you_mean(wanted, known) or "Build it with d4py build.",
        )
    return opened().image(wanted)


def names() -> dict[str, str]:
    """Return the names of the images in the store, each with its digest."""
    if not (home() / "index.json").is_file():
        return {}
    return {entry.annotations[NAME]: entry.digest for entry in opened().references() if NAME in entry.annotations}
