# SPDX-License-Identifier: Apache-2.0
"""What can be made again and need not be: layers by what decides their bytes, and what was found out about bases.

All of it is below ~/.cache/d4py; whoever deletes that loses time only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from d4py.packaging.descriptor import GZIP, Descriptor, canonical, digest_of
from d4py.packaging.layout import Layout, written
from d4py.runs import atomic

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVEL = 1  # wheels are mostly shared objects: level 6 takes three times as long for 8 % less


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A layer as blobs know it, and as containers do."""

    blob: Descriptor  # of the compressed tar
    diff: str  # the digest of the tar itself


class Cache:
    """A folder of layers and notes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layout = Layout.create(path)

    def recall(self, *key: str) -> Any:
        """Return what was noted under a key; None where nothing was."""
        try:
            return json.loads(self._note(key).read_bytes())
        except (OSError, ValueError):
            return None

    def note(self, *key: str, data: Any) -> None:
        """Keep something small."""
        path = self._note(key)
        with written(self.path):
            path.parent.mkdir(exist_ok=True)
            atomic.write(path, canonical(data), durable=False)

    def layer(self, key: str, write: Callable[[IO[bytes]], None]) -> Made:
        """Return a layer; it is written only where it is not here already."""
        known = self.recall("layer", key)
        if known is not None:
            made = Made(blob=Descriptor.from_json(known["blob"]), diff=known["diff"])
            path = self.layout.blob(made.blob.digest)
            if path.is_file() and path.stat().st_size == made.blob.size:
                return made
        made = self.compressed(write)
        self.note("layer", key, data={"blob": made.blob.to_json(), "diff": made.diff})
        return made

    def compressed(self, write: Callable[[IO[bytes]], None]) -> Made:
        """Keep what is written as a layer."""
        with written(self.path):
            descriptor, name = tempfile.mkstemp(prefix=".layer-", dir=self.path / "blobs" / "sha256")
            path = Path(name)
            try:
                with open(descriptor, "wb") as file:
                    outer = Counting(file)
                    with gzip.GzipFile(filename="", mode="wb", fileobj=outer, compresslevel=_LEVEL, mtime=0) as zipped:
                        inner = Counting(zipped)
                        write(io.BufferedWriter(inner, 1 << 20))
                path.chmod(0o644)
                blob = Descriptor(kind=GZIP, digest=outer.digest, size=outer.size)
                os.replace(path, self.layout.blob(blob.digest))
            finally:
                path.unlink(missing_ok=True)
        return Made(blob=blob, diff=inner.digest)

    def _note(self, key: tuple[str, ...]) -> Path:
        return self.path / "notes" / digest_of(canonical(key)).partition(":")[2]


class Counting(io.RawIOBase):
    """Passes bytes on, and knows their number and their digest."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    @property
    def digest(self) -> str:
        """The digest of all that went through."""
        return f"sha256:{self._hash.hexdigest()}"
