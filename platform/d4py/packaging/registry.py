# SPDX-License-Identifier: Apache-2.0
"""Images to and from a registry, byte for byte. This room alone speaks to registries."""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import BuildError, ImageError, UsageError
from d4py.packaging.credentials import credentials_of
from d4py.packaging.descriptor import INDEX, MANIFEST, SAME, Descriptor
from d4py.packaging.layout import for_this_machine, written
from d4py.packaging.refusal import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests
    from dxf import DXF, DXFBase

    from d4py.packaging.layout import Image, Layout
    from d4py.packaging.reference import Reference

_HUB = "docker.io"
_HUB_SERVER = "registry-1.docker.io"
_PATIENCE = 60.0  # seconds without a word
_CHUNK = 1 << 18
_CERTIFICATES = Path("/etc/docker/certs.d")  # where docker looks, by the name of the registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A name in a registry."""

    host: str
    repository: str
    tag: str

    @classmethod
    def of(cls, reference: Reference) -> Place:
        """Return where a name leads: its first part is a host if it looks like one, else all of it is a name on Docker Hub."""
        first, slash, rest = reference.name.partition("/")
        if slash and (first == "localhost" or "." in first or ":" in first):
            return cls(host=first, repository=rest, tag=reference.tag)
        return cls(host=_HUB, repository=reference.name, tag=reference.tag)

    @property
    def server(self) -> str:
        """The host that answers for it."""
        return _HUB_SERVER if self.host == _HUB else self.host

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"


def check(reference: Reference) -> Place:
    """Return where an image is to be pushed to. Raises UsageError for a name without a registry."""
    place = Place.of(reference)
    if place.host == _HUB and "/" not in place.repository:
        raise UsageError(f"{str(reference)!r} names no registry to push to.", hint=f"Name it -t REGISTRY/{reference}.")
    return place


def push(image: Image, reference: Reference, *, authority: str | None = None) -> Place:
    """Push an image; blobs that the registry has are not sent again. authority: the file of who vouches for the registry. Raises BuildError."""
    place = check(reference)
    with _connected(place, authority, "push to") as remote:
        for blob in image.blobs[:-1]:
            remote.push_blob(filename=str(image.layout.blob(blob.digest)))
        remote.set_manifest(place.tag, image.layout.read(image.descriptor).decode())
    return place


def pull(reference: Reference, layout: Layout, *, authority: str | None = None) -> Image:
    """Pull the image for this machine into a layout, under its name; blobs that are there are not fetched again. Raises BuildError, ImageError."""
    place = Place.of(reference)
    with _connected(place, authority, "pull from") as remote:
        descriptor = _manifest(remote, layout, place.tag)
        if descriptor.kind == INDEX:
            descriptor = _manifest(remote, layout, for_this_machine(layout.entries(descriptor)).digest)
        for blob in layout.parts(descriptor):
            if not layout.blob(blob.digest).exists():
                _fetch(remote, layout, blob)
    image = layout.of(descriptor)
    layout.tag(str(reference), image)
    return image


def _manifest(remote: DXF, layout: Layout, name: str) -> Descriptor:
    """Fetch a manifest or an index by tag or digest."""
    _, response = remote.get_manifest_and_response(name)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    if SAME.get(kind, kind) not in (INDEX, MANIFEST):
        raise ImageError(f"The registry has a {kind!r:.80} under this name.", hint="It is no image; name another.")
    descriptor = layout.add(SAME.get(kind, kind), response.content)
    if name.startswith("sha256:") and descriptor.digest != name:
        raise BuildError(f"The registry sent {descriptor.digest} for {name}.", hint="Do not trust this registry.")
    return descriptor


def _fetch(remote: DXF, layout: Layout, blob: Descriptor) -> None:
    temporary = layout.blob(blob.digest).with_name(f".pulled-{os.getpid()}")
    left = blob.size
    try:
        with written(layout.path), open(temporary, "wb") as file:
            chunks = remote.pull_blob(blob.digest, chunk_size=_CHUNK)
            assert not isinstance(chunks, tuple)
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    break
                file.write(chunk)
        if left:
            raise BuildError(f"The blob {blob.digest} is not of {blob.size} bytes.", hint="Do not trust this registry.")
        layout.adopt(blob, temporary)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _connected(place: Place, authority: str | None, act: str) -> Iterator[DXF]:
    """Speak to a registry; what goes wrong is told in one line. act: what for."""
    try:
        from dxf import DXF
    except ImportError:
        raise UsageError("Registries need a package more.", hint="Install it: pip install 'd4py[images]'.") from None
    known = credentials_of(place.host)
    user, password = known or (None, None)

    def authenticate(remote: DXFBase, response: requests.Response) -> None:
        remote.authenticate(user, password, response=response)

    try:
        with DXF(
            place.server,
            place.repository,
            authenticate,
            insecure=_is_plain(place),
            tlsverify=_trusted(place, authority),
            timeout=_PATIENCE,
        ) as remote:
            yield remote
    except Exception as error:
        raise told(error, place, act, known=known is not None) from None


def _trusted(place: Place, authority: str | None) -> str | bool:
    """Return the file of those who may vouch for a registry: as given, as docker has it, or the machine's."""
    if authority is not None:
        try:
            ssl.create_default_context().load_verify_locations(authority)
        except (OSError, ssl.SSLError) as error:
            reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise UsageError(f"{authority!r} cannot be used as --ca: {reason}.", hint="It is a PEM file.") from None
        return authority
    theirs = sorted((_CERTIFICATES / place.host).glob("*.crt")) if _CERTIFICATES.is_dir() else []
    machine = ssl.get_default_verify_paths().cafile
    return str(theirs[0]) if theirs else os.environ.get("REQUESTS_CA_BUNDLE") or machine or True


def _is_plain(place: Place) -> bool:
    """Whether a registry of this machine speaks HTTP without TLS, as those that developers start do. It gets no password."""
    import requests

    host = place.server.partition(":")[0]
    if host != "localhost" and not host.startswith("127."):
        return False
    try:
        answer: Any = requests.get(f"http://{place.server}/v2/", timeout=5, allow_redirects=False)
    except requests.RequestException:
        return False
    return bool(answer.status_code == requests.codes.ok)
