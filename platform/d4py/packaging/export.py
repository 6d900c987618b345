# SPDX-License-Identifier: Apache-2.0
"""An image as what other tools take: an OCI layout, an archive for docker and podman, a folder of its files."""

from __future__ import annotations

import io
import shlex
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.packaging.descriptor import NAME, canonical
from d4py.packaging.layout import Layout
from d4py.packaging.unpack import unpack
from d4py.packaging.whole import whole

if TYPE_CHECKING:
    from d4py.packaging.layout import Image

FORMATS = ("oci", "docker-archive", "dir")


def export(image: Image, reference: str, form: str, path: Path) -> None:
    """Write an image in one of the formats; it appears when it is whole. A tar is written for oci where the name ends so."""
    for blob in image.blobs:
        image.check(blob)
    with whole(path) as temporary:
        if form == "dir":
            unpack(image, temporary)
        elif form == "docker-archive" or path.suffix == ".tar":
            _archive(image, reference, temporary)
        else:
            layout = Layout.create(temporary)
            for blob in image.blobs:
                layout.adopt(blob, image.layout.blob(blob.digest))
            layout.tag(reference, layout.of(image.descriptor))
            (temporary / ".lock").unlink()


def apptainer(reference: str, form: str, path: Path) -> str:
    """Return the command that makes an Apptainer image of what was written."""
    name = reference.rpartition("/")[2].replace(":", "_")
    archive = path.suffix == ".tar"
    source = {"dir": "", "docker-archive": "docker-archive:", "oci": "oci-archive:" if archive else "oci:"}[form]
    return shlex.join(["apptainer", "build", f"{name}.sif", f"{source}{path}"])


def _archive(image: Image, reference: str, path: Path) -> None:
    """Write a tar that is an OCI archive, and what `docker save` writes."""
    entry = {
        **image.descriptor.to_json(),
        "annotations": {NAME: reference, "io.containerd.image.name": _full(reference)},
    }
    saved = [
        {
            "Config": _place(image.config_descriptor.digest),
            "RepoTags": [reference],
            "Layers": [_place(layer.digest) for layer in image.layers],
        }
    ]
    with tarfile.open(path, "x", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
        _add(tar, "index.json", {"schemaVersion": 2, "manifests": [entry]})
        _add(tar, "manifest.json", saved)
        for digest in sorted({blob.digest for blob in image.blobs}):
            source = image.layout.blob(digest)
            info = tarfile.TarInfo(_place(digest))
            info.size = source.stat().st_size
            with open(source, "rb") as file:
                tar.addfile(info, file)


def _add(tar: tarfile.TarFile, name: str, data: object) -> None:
    text = canonical(data)
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))


def _place(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _full(reference: str) -> str:
    """Return a name as containerd keeps it: with the registry that docker leaves out."""
    host, slash, _ = reference.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"
