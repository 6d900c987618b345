# SPDX-License-Identifier: Apache-2.0
"""What an image is put on: a root file system with Python, and what is known of it. It is read, never run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.packaging.layout import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Something installed."""

    kind: str  # deb, apk, pypi or generic
    name: str
    version: str
    architecture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An image with Python."""

    name: str
    image: Image
    interpreter: str  # the path of its Python
    python: str  # its full version
    platform: str  # for which wheels are chosen, as uv names it
    packages: Sequence[Package]  # what it has installed
    room: Mapping[str, Sequence[str]] = field(default_factory=dict)  # its files in our room, by distribution

    @property
    def settings(self) -> Mapping[str, Any]:
        """How containers of it are started."""
        found: Mapping[str, Any] = self.image.config.get("config") or {}
        return found
