# SPDX-License-Identifier: Apache-2.0
"""What the OCI formats say of a blob, and the names of its kinds."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d4py.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
INDEX = f"{_OCI}.index.v1+json"
MANIFEST = f"{_OCI}.manifest.v1+json"
CONFIG = f"{_OCI}.config.v1+json"
TAR = f"{_OCI}.layer.v1.tar"
GZIP = f"{TAR}+gzip"
# What docker calls the same things, byte for byte.
SAME = {
    f"{_DOCKER}.distribution.manifest.list.v2+json": INDEX,
    f"{_DOCKER}.distribution.manifest.v2+json": MANIFEST,
    f"{_DOCKER}.container.image.v1+json": CONFIG,
    f"{_DOCKER}.image.rootfs.diff.tar": TAR,
    f"{_DOCKER}.image.rootfs.diff.tar.gzip": GZIP,
}
NAME = "org.opencontainers.image.ref.name"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One blob: its kind, digest and size."""

    kind: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, data: bytes) -> Descriptor:
        """Return the descriptor of a blob in memory."""
        return cls(kind=kind, digest=digest_of(data), size=len(data))

    @classmethod
    def from_json(cls, data: Any) -> Descriptor:
        """Read one. Raises ImageError for what is none."""
        try:
            kind = data["mediaType"]
            found = cls(
                kind=SAME.get(kind, kind),
                digest=checked(data["digest"]),
                size=data["size"],
                annotations=data.get("annotations") or {},
                platform=data.get("platform") or {},
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ImageError(f"A descriptor of the image is damaged: {error!r}.", hint="Fetch it again.") from None
        if type(found.size) is not int or found.size < 0:
            raise ImageError(f"The blob {found.digest} has the size {found.size!r}.", hint="Fetch the image again.")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as the formats write it."""
        more = {"annotations": dict(self.annotations), "platform": dict(self.platform)}
        return {
            "mediaType": self.kind,
            "digest": self.digest,
            "size": self.size,
            **{name: value for name, value in more.items() if value},
        }


def checked(digest: object) -> str:
    """Return a digest, which is also the name of a file. Raises ImageError for another form."""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ImageError(f"The image names a blob {digest!r:.80}.", hint="Digests of sha256 are read; fetch it again.")
    return digest


def digest_of(data: bytes) -> str:
    """Return the digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def canonical(data: Any) -> bytes:
    """Return JSON that is the same bytes for the same data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
