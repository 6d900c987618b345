# SPDX-License-Identifier: Apache-2.0
"""A file that grows by what each checkpoint covers."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from d4py.connectors.durable import sync_folders, told
from d4py.connectors.sink import CommittingSink
from d4py.errors import ConnectorError, ParameterError

if TYPE_CHECKING:
    from d4py.connectors.staging import Chunk

_EXISTS = ("fail", "append", "replace")
_HINT = "Check the path, who may write there, and the room on the disk."


class FileSink(CommittingSink):
    """Each commit writes its bytes at the place in the file that is theirs, so that doing so twice is doing it once."""

    kept: ClassVar[tuple[str, ...]] = ("path", "base")

    def __init__(self, path: str | os.PathLike[str], *, if_exists: str = "fail") -> None:
        """if_exists: what to do with a file that holds something when the run begins: "fail", "append", or "replace" it at the first commit."""
        if if_exists not in _EXISTS:
            raise ParameterError(
                f"if_exists = {if_exists!r} is unknown.", hint=f"Use {', '.join(map(repr, _EXISTS[:2]))} or 'replace'."
            )
        self.path = Path(path).absolute()
        super().__init__(str(self.path))
        self.if_exists = if_exists
        self.base = 0  # bytes that the file had before this run

    def head(self) -> bytes:
        """Return what a new file begins with."""
        return b""

    def begin(self) -> None:
        """Look whether there is a file, and begin a new one with its head."""
        with told(f"{self.path} cannot be written", _HINT):
            size = self.path.stat().st_size if self.path.exists() else 0
            if not self.path.parent.is_dir():
                raise ConnectorError(f"The folder {self.path.parent} does not exist.", hint="Make it first.")
            if size and self.if_exists == "fail":
                raise ConnectorError(
                    f"{self.path} exists already, with {size} bytes.",
                    hint="Remove it, or say if_exists='append' or 'replace'.",
                )
            if size and self.if_exists == "append":
                self.base = size
                if not _ends_a_line(self.path):
                    self.staging.write(b"\n")

    def prepare(self, epoch: int) -> None:
        """Make durable what this epoch covers; the first brings the file into being, with items or without."""
        self._settle()
        if not (self.base or self.staging.length) and (head := self.head()):
            self.staging.write(head)
        self.staging.prepare(epoch, always=not self.staging.token)

    def let_go(self, chunk: Chunk) -> None:
        """Write a chunk where it belongs."""
        begin = self.base + chunk.start
        with told(f"{self.path} cannot be written", _HINT):
            size = self.path.stat().st_size if self.path.exists() else 0
            if not chunk.there and size >= begin + chunk.length:
                return  # an earlier commit of the same has done it
            if begin == 0:
                self._begin_file(chunk)
                return
            if not begin <= size <= begin + chunk.length:
                raise ConnectorError(
                    f"{self.path} has {size} bytes where this run left {begin}.",
                    hint="Let nobody else write to it; put it back and resume.",
                )
            with open(self.path, "r+b") as file:
                file.seek(begin)
                _copied(chunk, file)

    def _begin_file(self, chunk: Chunk) -> None:
        """Let the file appear whole, in place of what had its name."""
        if self.path.exists() and filecmp.cmp(chunk.path, self.path, shallow=False):
            return
        hidden = self.path.with_name(f".{self.staging.token}.uncommitted")
        with open(hidden, "wb") as file:
            _copied(chunk, file)
        os.replace(hidden, self.path)
        sync_folders([self.path.parent])


def _copied(chunk: Chunk, file: BinaryIO) -> None:
    with chunk.open() as staged:
        shutil.copyfileobj(staged, file, 1 << 20)
    file.flush()
    os.fsync(file.fileno())


def _ends_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
