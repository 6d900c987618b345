# SPDX-License-Identifier: Apache-2.0
"""Images as docker archives, by the standard library alone: layers are tars, a config says how they are run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_archive(
    path: Path,
    name: str,
    *,
    layers: Iterable[Path] = (),
    files: Mapping[str, Path] | None = None,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Write an image of these layers, and a last one of these files."""
    tars = list(layers)
    if files:
        tars.append(path.with_suffix(".files"))
        write_layer(tars[-1], files)
    digests = [digest(tar) for tar in tars]
    image = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Env": [_PATH], "WorkingDir": "/", **(config or {})},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each}" for each in digests]},
    }
    text = json.dumps(image).encode()
    named = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": named, "RepoTags": [name], "Layers": [f"{each}.tar" for each in digests]}]
    part = path.with_suffix(".part")
    with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as archive:
        for file, content in ((named, text), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(file)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for each, tar in dict(zip(digests, tars, strict=True)).items():
            add(archive, tar, f"{each}.tar")
    os.replace(part, path)


def write_layer(path: Path, files: Mapping[str, Path]) -> None:
    """Write a layer of files and folders, each under the name it is to have; all are root's, and without times."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as layer:
        for name, source in files.items():
            for each in [source, *sorted(source.rglob("*"))] if source.is_dir() else [source]:
                add(layer, each, f"{name}/{each.relative_to(source)}" if each != source else name)


def add(archive: tarfile.TarFile, source: Path, name: str) -> None:
    """Add a file to an archive."""
    member = archive.gettarinfo(str(source), name)
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    if member.isreg():
        with open(source, "rb") as content:
            archive.addfile(member, content)
    else:
        archive.addfile(member)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
