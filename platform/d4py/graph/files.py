# SPDX-License-Identifier: Apache-2.0
"""Files that a sink writes so that each appears once, whole, and only when a checkpoint covers it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class CommittedFiles:
    """Keep one as an attribute of a PE, and call its `prepare` and `commit` from those of the PE.

    A file is written beside its place under another name, made durable, and renamed at the commit. What no commit covers is written again.
    """

    def __init__(self) -> None:
        self._written: list[tuple[str, str]] = []
        self._prepared: dict[int, list[tuple[str, str]]] = {}

    @contextmanager
    def open(self, path: str | os.PathLike[str], mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
        """Open a new file for writing; it is part of the next checkpoint once the block has ended without an error."""
        place = Path(path).absolute()
        hidden = place.with_name(f".{place.name}.uncommitted")
        with open(hidden, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        self._written.append((str(hidden), str(place)))

    def prepare(self, epoch: int) -> None:
        """What was written so far belongs to this epoch."""
        if self._written:
            self._prepared.setdefault(epoch, []).extend(self._written)
            self._written = []

    def commit(self, epoch: int) -> None:
        """Let the files of all epochs up to this one appear. Doing it again does nothing."""
        for old in sorted(number for number in self._prepared if number <= epoch):
            for hidden, place in self._prepared[old]:
                if Path(hidden).exists():  # else an earlier commit of the same epoch has renamed it
                    os.replace(hidden, place)
            del self._prepared[old]
