# SPDX-License-Identifier: Apache-2.0
"""What a layer holds, and the tar it makes: the same entries give the same bytes, on any machine and at any time."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from d4py.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, a folder or a link in an image. Whoever made it on this machine and when is not part of it."""

    path: str  # from the root of the image, without a slash before it
    data: bytes | Path | None = None  # of a file: its contents, or where they are
    target: str = ""  # of a symbolic link
    mode: int = 0o644
    owner: int = 0

    @property
    def kind(self) -> bytes:
        """Its type, as tar writes it."""
        if self.target:
            return tarfile.SYMTYPE
        return tarfile.DIRTYPE if self.data is None else tarfile.REGTYPE


def folder(path: str, *, mode: int = 0o755, owner: int = 0) -> Entry:
    """Return a folder."""
    return Entry(path=path, mode=mode, owner=owner)


def file(path: str, data: bytes | Path, *, executable: bool = False) -> Entry:
    """Return a file that everybody may read."""
    return Entry(path=path, data=data, mode=0o755 if executable else 0o644)


def link(path: str, target: str) -> Entry:
    """Return a symbolic link."""
    return Entry(path=path, target=target, mode=0o777)


def epoch() -> int:
    """Return the time of everything in an image: SOURCE_DATE_EPOCH, else 0. Raises ImageError."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        raise ImageError(f"SOURCE_DATE_EPOCH is {text!r:.40}.", hint="It is a whole number of seconds since 1970.")
    return int(text)


def write_tar(entries: Iterable[Entry], out: IO[bytes], *, time: int) -> None:
    """Write entries as a tar: sorted, each folder before what is in it."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in with_folders(entries):
            info = tarfile.TarInfo(entry.path)
            info.type, info.mode, info.mtime = entry.kind, entry.mode, time
            info.uid = info.gid = entry.owner
            info.linkname = entry.target
            if isinstance(entry.data, Path):
                _add(tar, info, entry.data)
            else:
                info.size = len(entry.data or b"")
                tar.addfile(info, io.BytesIO(entry.data) if entry.data else None)


def with_folders(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries in order, with the folders that they are in."""
    found = {entry.path: entry for entry in entries}
    for path in list(found):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                found.setdefault(str(parent), folder(str(parent)))
    yield from (found[path] for path in sorted(found))


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    try:
        with open(path, "rb") as source:
            info.size = os.fstat(source.fileno()).st_size
            tar.addfile(info, source)
            if source.read(1):
                raise ImageError(f"{path} grew while it was read.", hint="Build when nothing writes to it.")
    except tarfile.ReadError as error:  # it is shorter than it was
        raise ImageError(
            f"{path} changed while it was read: {error}.", hint="Build when nothing writes to it."
        ) from None
