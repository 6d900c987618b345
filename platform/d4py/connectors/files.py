# SPDX-License-Identifier: Apache-2.0
"""Files that a PE writes so that each appears once, whole, and only when a checkpoint covers it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from d4py.connectors.durable import sync_folders
from d4py.graph.pe import Belonging

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = "uncommitted"


class CommittedFiles(Belonging):
    """Keep one as an attribute of a PE, and call its `prepare` and `commit` from those of the PE.

    A file is written beside its place under a hidden name that no other instance and no other life of this one uses, made durable, and
    renamed at the commit. What no commit covers is written again; what a life that ended had left of it is removed.
    """

    def __init__(self) -> None:
        self._owner = ""  # the first part of all hidden names
        self._folders: dict[str, None] = {}  # where there may be hidden files
        self._written: list[tuple[str, str]] = []
        self._prepared: dict[int, list[tuple[str, str]]] = {}
        self._life = ""  # of this instance, from a start to its death
        self._number = 0

    @contextmanager
    def open(self, path: str | os.PathLike[str], mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
        """Open a new file for writing; it is part of the next checkpoint once the block has ended without an error."""
        place = Path(path).absolute()
        hidden = self._hidden(place.parent)
        try:
            with open(hidden, mode, **options) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise
        self._written.append((str(hidden), str(place)))

    def prepare(self, epoch: int) -> None:
        """What was written so far belongs to this epoch; make its names durable."""
        self._begin()
        if self._written:
            sync_folders(Path(hidden).parent for hidden, _ in self._written)
            self._prepared.setdefault(epoch, []).extend(self._written)
            self._written = []

    def commit(self, epoch: int) -> None:
        """Let the files of all epochs up to this one appear, and stay over a power cut. Doing it again does nothing."""
        self._begin()
        for old in sorted(number for number in self._prepared if number <= epoch):
            for hidden, place in self._prepared[old]:
                try:
                    os.replace(hidden, place)
                except FileNotFoundError:
                    if Path(place).parent.is_dir():
                        continue  # an earlier commit of the same epoch has renamed it
                    raise
            sync_folders(Path(place).parent for _, place in self._prepared[old])
            del self._prepared[old]

    def belong(self, owner: str) -> None:
        """Begin all hidden names with what tells this owner from others, so that what its earlier lives left is found."""
        self._owner = blake2b(owner.encode(), digest_size=8).hexdigest()

    def _hidden(self, folder: Path) -> Path:
        self._begin()
        if str(folder) not in self._folders:
            self._folders[str(folder)] = None
            self._clean(str(folder))
        self._number += 1
        return folder / f".{self._owner}-{self._life}-{self._number}.{_MARK}"

    def _begin(self) -> None:
        """Begin a life: clean up after the one before."""
        if self._life:
            return
        self._life = os.urandom(4).hex()
        self._owner = self._owner or os.urandom(8).hex()
        for folder in self._folders:
            self._clean(folder)

    def _clean(self, folder: str) -> None:
        known = {hidden for files in (self._written, *self._prepared.values()) for hidden, _ in files}
        for left in list(Path(folder).glob(f".{self._owner}-*.{_MARK}")):
            if str(left) not in known:
                left.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what ends with this life."""
        return {**self.__dict__, "_life": ""}
