# SPDX-License-Identifier: Apache-2.0
"""Folders, a file an item."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.connectors.durable import make_folder, told
from d4py.connectors.files import CommittedFiles
from d4py.connectors.source import ReplayableSource
from d4py.errors import BadRecord, ConnectorError, ParameterError
from d4py.graph.pe import ConsumerPE

if TYPE_CHECKING:
    from collections.abc import Generator

_HINT = "Check the path, and who may read and write there."
_Seen = dict[str, tuple[int, int]]  # size in bytes, time of the last change in ns


class FolderSource(ReplayableSource):
    """Writes the path of each file in a folder, once, as text."""

    def __init__(
        self, folder: str | os.PathLike[str], pattern: str = "*", *, live: bool = False, every: float = 0.5
    ) -> None:
        """Write what is there, in the order of names; with live also what comes, each once it has not changed between two looks.

        pattern: as of `Path.glob`; "**/*.mseed" looks into folders below. Hidden files are left out. every: seconds between two looks.
        The names that were written are kept in memory and in checkpoints.
        """
        super().__init__()
        if every <= 0:
            raise ParameterError(f"every = {every!r} is no period.", hint="Give seconds, such as every=0.5.")
        self.folder = Path(folder).absolute()
        self.pattern = pattern
        self.live = live
        self.every = every
        self._done: set[str] = set()

    def items(self) -> Generator[str | None, None, None]:
        """Yield paths that were not written yet."""
        self._done = set(self.place or ())
        before: _Seen = {}
        while True:
            now = self._look()
            for path in sorted(now):
                if not self.live or before.get(path) == now[path]:
                    self._done.add(path)
                    yield path
            if not self.live:
                return
            before = now
            until = time.monotonic() + self.every
            yield None
            while time.monotonic() < until:
                yield None

    def offset(self) -> tuple[str, ...] | None:
        """Return the paths that were written."""
        return tuple(sorted(self._done)) or self.place

    def _look(self) -> _Seen:
        found: _Seen = {}
        with told(f"The folder {self.folder} cannot be read", _HINT):
            if not self.folder.is_dir():
                raise ConnectorError(f"There is no folder {self.folder}.", hint=_HINT)
            next(self.folder.iterdir(), None)  # glob is silent about what it may not read
            for path in self.folder.glob(self.pattern):
                if str(path) in self._done or any(part[0] == "." for part in path.relative_to(self.folder).parts):
                    continue
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue  # it went while we looked
                if stat.S_ISREG(status.st_mode):
                    found[str(path)] = status.st_size, status.st_mtime_ns
        return found


class FolderSink(ConsumerPE):
    """Writes each item, (name, text or bytes), as a file that appears once, whole, when a checkpoint covers it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Write below a folder, which is made. A name may have folders in it; a file of the same name is replaced."""
        super().__init__()
        self.folder = Path(folder).absolute()
        self.files = CommittedFiles()

    def preprocess(self) -> None:
        """Make the folder."""
        with told(f"The folder {self.folder} cannot be made", _HINT):
            make_folder(self.folder)

    def prepare(self, epoch: int) -> None:
        """Make durable what this epoch covers."""
        self.files.prepare(epoch)

    def commit(self, epoch: int) -> None:
        """Let it appear."""
        with told(f"A file in {self.folder} cannot be written", _HINT):
            self.files.commit(epoch)

    def _process(self, value: Any) -> None:
        name, content = self._checked(value)
        place = self.folder / name
        with told(f"{place} cannot be written", _HINT):
            make_folder(place.parent)
            with self.files.open(place, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)

    def _checked(self, value: Any) -> tuple[str, str | bytes]:
        if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)):
            raise BadRecord(f"{self.folder}: {value!r:.60} is no file.", hint="Write (name, text or bytes).")
        name, content = value
        if not isinstance(content, (str, bytes, bytearray, memoryview)):
            raise BadRecord(
                f"{self.folder / name}: its content is {type(content).__name__}.", hint="Write text or bytes."
            )
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadRecord(f"{self.folder}: {name!r} is not a name in it.", hint="Give a relative path without '..'.")
        return name, content  # type: ignore[return-value]
