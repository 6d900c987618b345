# SPDX-License-Identifier: Apache-2.0
"""What a sink has taken in, on disk until the commit that covers it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from d4py.connectors.durable import sync_folders, told
from d4py.errors import ConnectorError

_BUFFER = 64 << 10  # bytes
_HINT = "Make room on the disk of the run's folder, or choose another with --run-dir."


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What a sink took in between two checkpoints. Sizes are in bytes; `start` and `first` count all that came before it."""

    epoch: int
    path: str
    start: int
    length: int
    first: int
    items: int

    @property
    def there(self) -> bool:
        """Whether it is still on disk; it is removed once it was let go."""
        return Path(self.path).exists()

    def open(self) -> BinaryIO:
        """Open it for reading. Raises ConnectorError if it is gone."""
        with told(f"The staged file {self.path} cannot be read", "Restore it; nothing else has these items."):
            return open(self.path, "rb")


class Staging:
    """A file an epoch, in the run's folder. Kept in a checkpoint: which of them are waiting, and how much there was in all."""

    def __init__(self) -> None:
        self.token = ""  # of the line of checkpoints that this belongs to: another run of the same workflow has another
        self.length = 0  # bytes, in all
        self.items = 0
        self.chunks: list[Chunk] = []
        self._folder = Path()
        self._label = ""
        self._file: BinaryIO | None = None
        self._path = ""
        self._begun = (0, 0)  # bytes and items before the open file
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._written = 0

    def settle(self, folder: Path, label: str) -> None:
        """Begin. What earlier lives of the instance left here, and no checkpoint covers, is removed."""
        with told(f"The folder {folder} cannot be used", _HINT):
            folder.mkdir(parents=True, exist_ok=True)
            known = {chunk.path for chunk in self.chunks}
            for left in list(folder.glob(f"{label}-*.staged")):
                if str(left) not in known:
                    left.unlink(missing_ok=True)
        self._folder, self._label = folder, label

    def claim(self, target: str, owner: str) -> None:
        """Refuse a target that another instance of the run writes to."""
        place = self._folder / f"{blake2b(target.encode(), digest_size=16).hexdigest()}.claim"
        try:
            place.symlink_to(owner)  # made whole or not at all
        except FileExistsError:
            other = str(place.readlink())
            if other != owner:
                raise ConnectorError(
                    f"{target} is written by {other} and by {owner}.",
                    hint="Give each a target of its own, or let one instance write.",
                ) from None

    def write(self, data: bytes) -> None:
        """Take in one item; if that fails, none of it was."""
        if self._buffered >= _BUFFER:
            self._flush()
        if self._file is None:
            self._open()
        self._buffer.append(data)
        self._buffered += len(data)
        self.length += len(data)
        self.items += 1

    def prepare(self, epoch: int, *, always: bool = False) -> None:
        """Make durable what was taken in since the last time: it belongs to this epoch. always: also where that is nothing."""
        self.token = self.token or os.urandom(8).hex()
        if self._file is None and not always:
            return
        if self._file is None:
            self._open()
        self._flush()
        assert self._file is not None
        with told(f"The staged file {self._path} cannot be kept", _HINT):
            os.fsync(self._file.fileno())
            self._file.close()
            sync_folders([self._folder])
        self._file = None
        start, first = self._begun
        self.chunks.append(
            Chunk(
                epoch=epoch,
                path=self._path,
                start=start,
                length=self.length - start,
                first=first,
                items=self.items - first,
            )
        )

    def due(self, epoch: int) -> list[Chunk]:
        """Return what a commit lets go, oldest first."""
        return [chunk for chunk in self.chunks if chunk.epoch <= epoch]

    def forget(self, chunk: Chunk) -> None:
        """Remove what was let go."""
        Path(chunk.path).unlink(missing_ok=True)
        self.chunks.remove(chunk)

    def state(self) -> Any:
        """Return what a checkpoint keeps; taken after `prepare`."""
        return self.token, self.length, self.items, list(self.chunks)

    def restore(self, state: Any) -> None:
        """Take it back."""
        self.token, self.length, self.items, self.chunks = state

    def _open(self) -> None:
        self._path = str(self._folder / f"{self._label}-{os.urandom(6).hex()}.staged")
        with told(f"The staged file {self._path} cannot be made", _HINT):
            self._file = open(self._path, "xb", buffering=0)
        self._begun = self.length, self.items
        self._written = 0

    def _flush(self) -> None:
        """Hand the buffer to the system, whole or not at all."""
        assert self._file is not None
        data = memoryview(b"".join(self._buffer))
        with told(f"The staged file {self._path} cannot be written", _HINT):
            try:
                done = 0
                while done < len(data):
                    done += self._file.write(data[done:])
            except OSError:
                self._file.truncate(self._written)
                self._file.seek(self._written)
                raise
        self._written += len(data)
        self._buffer, self._buffered = [], 0
