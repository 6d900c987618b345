# SPDX-License-Identifier: Apache-2.0
"""An OCI image layout on disk: blobs by digest, and an index of the images in it by reference."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import BuildError, DiskError, ImageError, listed
from d4py.packaging.descriptor import CONFIG, INDEX, MANIFEST, NAME, Descriptor, canonical, checked
from d4py.runs import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_VERSION = {"imageLayoutVersion": "1.0.0"}
_CHUNK = 1 << 20
# Machines as OCI names them, by what uname says.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of a layout."""

    layout: Layout
    descriptor: Descriptor  # of its manifest
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    layers: Sequence[Descriptor]

    @property
    def digest(self) -> str:
        """The digest that names it everywhere."""
        return self.descriptor.digest

    @property
    def config_descriptor(self) -> Descriptor:
        """Its configuration as a blob; the digest is what docker calls the image id."""
        return Descriptor.from_json(self.manifest["config"])

    @property
    def blobs(self) -> list[Descriptor]:
        """Every blob that it needs, its manifest last."""
        return [*self.layers, self.config_descriptor, self.descriptor]

    @property
    def labels(self) -> Mapping[str, str]:
        """What it says of itself."""
        return self.config.get("config", {}).get("Labels") or {}

    @property
    def size(self) -> int:
        """Bytes to fetch it."""
        return sum(blob.size for blob in self.blobs)

    def check(self, blob: Descriptor) -> Path:
        """Return the file of one of its blobs. Raises ImageError where it is not what its digest says."""
        path = self.layout.blob(blob.digest)
        if not path.is_file() or hashed(path) != (blob.digest, blob.size):
            raise ImageError(f"{path} is missing or damaged.", hint="Build or fetch the image again.")
        return path


class Layout:
    """A folder with images. What is written appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locked = False

    @classmethod
    def load(cls, path: Path) -> Layout:
        """Open a layout. Raises ImageError where there is none."""
        layout = cls(path)
        if not (path / "oci-layout").is_file() or not (path / "index.json").is_file():
            raise ImageError(f"{path} is no OCI image layout.", hint="It has oci-layout, index.json and blobs.")
        layout.references()
        return layout

    @classmethod
    def create(cls, path: Path) -> Layout:
        """Open a layout, and make it where there is none."""
        layout = cls(path)
        if (path / "index.json").is_file():
            return cls.load(path)
        with written(path):
            (path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            atomic.write(path / "oci-layout", canonical(_VERSION))
            layout._write_index([])
        return layout

    def references(self) -> list[Descriptor]:
        """Return the manifests that the index names."""
        index = self._parsed((self.path / "index.json").read_bytes(), "index.json")
        return [Descriptor.from_json(entry) for entry in index.get("manifests", [])]

    def image(self, reference: str | None = None) -> Image:
        """Return an image by its reference or digest; the only one where none is named. Raises ImageError."""
        entries = self.references()
        found = [entry for entry in entries if reference in (None, entry.annotations.get(NAME), entry.digest)]
        if not found or len({entry.digest for entry in found}) > 1:
            names = listed(entry.annotations.get(NAME, entry.digest) for entry in entries)
            what = f"the image {reference!r}" if reference else "one image"
            raise ImageError(f"{self.path} does not hold {what}; it holds {names}.", hint="Name one of them.")
        return self.of(found[0])

    def of(self, descriptor: Descriptor) -> Image:
        """Return the image of a manifest, or of an index: the one for this machine."""
        data = self._parsed(self.read(descriptor), descriptor.digest)
        if descriptor.kind == INDEX or "manifests" in data:
            return self.of(for_this_machine(self.entries(descriptor)))
        configuration, *layers = self.parts(descriptor)
        config = self._parsed(self.read(configuration), "its configuration")
        return Image(layout=self, descriptor=descriptor, manifest=data, config=config, layers=layers)

    def entries(self, descriptor: Descriptor) -> list[Descriptor]:
        """Return the images that an index is of, by machine."""
        data = self._parsed(self.read(descriptor), descriptor.digest)
        return [Descriptor.from_json(entry) for entry in data.get("manifests", [])]

    def parts(self, descriptor: Descriptor) -> list[Descriptor]:
        """Return what a manifest names: the configuration, then the layers. They need not be here."""
        data = self._parsed(self.read(descriptor), descriptor.digest)
        try:
            return [Descriptor.from_json(entry) for entry in (data["config"], *data["layers"])]
        except (KeyError, TypeError) as error:
            raise ImageError(
                f"The manifest {descriptor.digest} is damaged: {error!r}.", hint="Fetch the image again."
            ) from None

    def blob(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self.path / "blobs" / "sha256" / checked(digest).partition(":")[2]

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a small blob, which is what its digest says. Raises ImageError."""
        try:
            data = self.blob(descriptor.digest).read_bytes()
        except OSError as error:
            raise ImageError(
                f"{self.path} lacks the blob {descriptor.digest}: {error.strerror}.", hint="Fetch the image again."
            ) from None
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != descriptor.digest:
            raise ImageError(f"{self.blob(descriptor.digest)} is damaged.", hint="Fetch the image again.")
        return data

    def add(self, kind: str, data: bytes) -> Descriptor:
        """Keep a small blob."""
        found = Descriptor.of(kind, data)
        if not self.blob(found.digest).exists():
            with written(self.path):
                atomic.write(self.blob(found.digest), data, durable=False)
        return found

    def adopt(self, descriptor: Descriptor, path: Path) -> Descriptor:
        """Keep a blob that is a file elsewhere: by a second name for it where the disk allows, else by a copy."""
        target = self.blob(descriptor.digest)
        if not target.exists():
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            with written(self.path):
                try:
                    try:
                        os.link(path, temporary)
                    except OSError:
                        shutil.copyfile(path, temporary)
                    os.replace(temporary, target)
                finally:
                    temporary.unlink(missing_ok=True)
        return descriptor

    def write(self, config: Mapping[str, Any], layers: Sequence[Descriptor], annotations: Mapping[str, str]) -> Image:
        """Write the manifest of an image whose layers are here already. It has no name yet: see `tag`."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add(CONFIG, canonical(config)).to_json(),
            "layers": [layer.to_json() for layer in layers],
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return self.of(self.add(MANIFEST, canonical(manifest)))

    def tag(self, reference: str, image: Image) -> None:
        """Name an image; whatever had the name loses it, and blobs that nothing needs any more go."""
        entry = replace(image.descriptor, annotations={**image.descriptor.annotations, NAME: reference})
        with self.locked():
            kept = [other for other in self.references() if other.annotations.get(NAME) != reference]
            self._write_index([*kept, entry])
            self._sweep()

    def remove(self, reference: str) -> None:
        """Forget a name, and what only it needed. Raises ImageError where there is none."""
        self.image(reference)
        with self.locked():
            self._write_index([entry for entry in self.references() if entry.annotations.get(NAME) != reference])
            self._sweep()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from its index, and from clearing away blobs that have no name yet. May be entered again."""
        if self._locked:
            yield
            return
        with written(self.path), open(self.path / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def needed(self, descriptor: Descriptor) -> Iterator[str]:
        """Yield the digests of all blobs that a manifest or an index stands on, itself included; what is absent is passed over."""
        yield descriptor.digest
        if not self.blob(descriptor.digest).exists():
            return
        data = self._parsed(self.read(descriptor), descriptor.digest)
        for entry in data.get("manifests", []):
            yield from self.needed(Descriptor.from_json(entry))
        if "config" in data:
            yield from (Descriptor.from_json(entry).digest for entry in (data["config"], *data["layers"]))

    def _write_index(self, entries: Sequence[Descriptor]) -> None:
        ordered = sorted(entries, key=lambda entry: (entry.annotations.get(NAME, ""), entry.digest))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry.to_json() for entry in ordered]}
        atomic.write(self.path / "index.json", canonical(index))

    def _sweep(self) -> None:
        needed = {digest.partition(":")[2] for entry in self.references() for digest in self.needed(entry)}
        for path in (self.path / "blobs" / "sha256").iterdir():
            if path.name not in needed and not path.name.startswith("."):
                with suppress(OSError):
                    path.unlink()

    def _parsed(self, data: bytes, what: str) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ImageError(f"{what} in {self.path} is not a JSON object.", hint="Fetch the image again.")
        return found


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into BuildError."""
    try:
        yield
    except DiskError as error:
        raise BuildError(error.message, hint=error.hint) from None
    except OSError as error:
        raise BuildError.of(error.filename or path, error) from None


def hashed(path: Path) -> tuple[str, int]:
    """Return the digest and the size of a file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size


def for_this_machine(entries: Sequence[Descriptor]) -> Descriptor:
    """Return the image of several that runs here. Raises ImageError."""
    machine = ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    for entry in entries:
        if entry.platform.get("os", "linux") == "linux" and entry.platform.get("architecture", machine) == machine:
            return entry
    known = listed(f"{entry.platform.get('os')}/{entry.platform.get('architecture')}" for entry in entries)
    raise ImageError(f"The image is not for linux/{machine}; it is for {known}.", hint="Name another image.")
