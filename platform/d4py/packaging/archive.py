# SPDX-License-Identifier: Apache-2.0
"""Bases as files: a tar of a root file system, what `docker save` writes, an OCI archive, an OCI layout. Each becomes an image in the cache."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from d4py.errors import ImageError
from d4py.packaging.descriptor import Descriptor
from d4py.packaging.layout import ARCHITECTURES, Image, Layout, hashed, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from d4py.packaging.cache import Cache, Made

_CHUNK = 1 << 20
_ELF_MACHINES = {62: "amd64", 183: "arm64", 21: "ppc64le", 22: "s390x", 243: "riscv64"}


def image_of(path: Path, cache: Cache) -> Image:
    """Return the image of a base that is a file or a folder. Raises ImageError for what is none."""
    try:
        if path.is_dir():
            return Layout.load(path).image()
        digest, _ = hashed(path)
    except OSError as error:
        raise ImageError(f"The base {path} cannot be read: {error.strerror}.", hint="Name another.") from None
    known = cache.recall("base", digest)
    if known is not None:
        manifest = Descriptor.from_json(known)
        if all(cache.layout.blob(found).exists() for found in cache.layout.needed(manifest)):
            return cache.layout.of(manifest)
    image = _imported(path, cache)
    cache.note("base", digest, data=image.descriptor.to_json())
    return image


def _imported(path: Path, cache: Cache) -> Image:
    try:
        with tarfile.open(path) as tar:
            names = {name.removeprefix("./") for name in tar.getnames()}
            if {"oci-layout", "index.json"} <= names:
                return _from_oci(tar, cache)
            if "manifest.json" in names and not {"usr", "bin"} & names:
                return _from_docker(tar, cache)
        if not any(name.partition("/")[0] in ("usr", "bin") for name in names):
            raise ImageError(f"The base {path} holds no root file system.", hint="It has neither usr nor bin.")
        return _from_root(path, cache)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise ImageError(
            f"The base {path} is no tar: {error}.", hint="Name a tar, an OCI layout or an image."
        ) from None


def _from_root(path: Path, cache: Cache) -> Image:
    made = cache.compressed(lambda out: _copy_plain(path, out))
    with tarfile.open(path) as tar:
        machine = _architecture(tar)
    return _written(cache, {"architecture": machine, "os": "linux", "config": {}}, [made])


def _copy_plain(path: Path, out: IO[bytes]) -> None:
    with _plain(path) as source:
        shutil.copyfileobj(source, out, _CHUNK)
    out.flush()


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    import bz2
    import lzma

    openers: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open, b"BZ": bz2.open}
    with open(path, "rb") as file:
        magic = file.read(2)
    with openers.get(magic, open)(path, "rb") as source:
        yield source


def _from_docker(tar: tarfile.TarFile, cache: Cache) -> Image:
    entries = json.loads(_member(tar, "manifest.json").read())
    if len(entries) != 1:
        raise ImageError(f"The archive holds {len(entries)} images.", hint="Save one image.")
    config = json.loads(_member(tar, entries[0]["Config"]).read())
    layers = []
    for name in entries[0]["Layers"]:

        def write(out: IO[bytes], name: str = name) -> None:
            source = _member(tar, name)
            magic = source.read(2)
            source.seek(0)
            with gzip.open(source) if magic == b"\x1f\x8b" else source as plain:
                shutil.copyfileobj(plain, out, _CHUNK)
            out.flush()

        layers.append(cache.compressed(write))
    return _written(cache, config, layers)


def _from_oci(tar: tarfile.TarFile, cache: Cache) -> Image:
    with tempfile.TemporaryDirectory(dir=cache.path) as folder, written(cache.path):
        path = Path(folder)
        (path / "blobs" / "sha256").mkdir(parents=True)
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isreg() and (name in ("oci-layout", "index.json") or name.startswith("blobs/sha256/")):
                target = path / "blobs" / "sha256" / name.rpartition("/")[2] if "/" in name else path / name
                source = tar.extractfile(member)
                assert source is not None
                with open(target, "wb") as out:
                    shutil.copyfileobj(source, out, _CHUNK)
        image = Layout.load(path).image()
        return kept(image, cache.layout)


def kept(image: Image, layout: Layout) -> Image:
    """Return an image with all its blobs in another layout. Raises ImageError where a layer is not what its digest says."""
    for blob in image.blobs:
        if not layout.blob(blob.digest).exists():
            layout.adopt(blob, image.check(blob))
    return layout.of(image.descriptor)


def _written(cache: Cache, config: dict[str, Any], layers: Sequence[Made]) -> Image:
    config = {**config, "rootfs": {"type": "layers", "diff_ids": [layer.diff for layer in layers]}}
    return cache.layout.write(config, [layer.blob for layer in layers], {})


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        found = tar.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise ImageError(f"The archive lacks {name!r}.", hint="Save the image again.")
    return found


def _architecture(tar: tarfile.TarFile) -> str:
    """Return the machine of the first program in a root file system."""
    for member in tar:
        if member.isreg() and member.mode & 0o111 and member.size > 64:
            found = tar.extractfile(member)
            head = found.read(20) if found else b""
            if head.startswith(b"\x7fELF"):
                number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
                return _ELF_MACHINES.get(number, str(number))
    import os

    return ARCHITECTURES.get(os.uname().machine, os.uname().machine)
