# SPDX-License-Identifier: Apache-2.0
"""The lines of a file, from a place on, and as it grows.

The standard library has no call that waits for a file to grow, so a followed file is looked at again and again. Where a file is renamed and
another takes its name (rotation), the old one is read to its end first. Where it is cut (truncation), reading begins at its start again.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d4py.connectors.durable import told
from d4py.connectors.rotation import Identity, found_again, identity_of, successor
from d4py.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_CHUNK = 256 << 10  # bytes a read
_HEAD = 256  # bytes that a file is known again by, besides its number
_HINT = "Check the path, and who may read it."

Record = tuple[int, bytes]  # number of its first line, from 1; its bytes without the newline


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read: which file, so many bytes, so many lines. Kept in checkpoints."""

    identity: Identity
    position: int
    line: int


class Tail:
    """Reads one file, or with `live` whatever has its name."""

    def __init__(
        self,
        path: Path,
        *,
        place: Place | None = None,
        live: bool = False,
        every: float = 0.1,
        lost: str = "fail",
        unfinished: Callable[[bytes], bool] | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """every: seconds between two looks. lost: as of `LinesSource`. unfinished: whether a record goes on in the next line."""
        self.path = path
        self.live = live
        self.every = every
        self.lost = lost
        self.unfinished = unfinished
        self.note = note
        self.position = place.position if place else 0
        self.line = place.line if place else 0
        self._identity = place.identity if place else None
        self._descriptor = -1

    def place(self) -> Place | None:
        """Return what lies behind the last record; None before the first file was opened."""
        if self._identity is None:
            return None
        known = len(self._identity.head)
        if self._descriptor >= 0 and known < min(_HEAD, self.position):
            self._identity = identity_of(self._descriptor, min(_HEAD, self.position))
        return Place(self._identity, self.position, self.line)

    def records(self) -> Generator[Record | None, None, None]:
        """Yield records; None where there is nothing at the moment, which only a live one does."""
        try:
            while True:
                if self._descriptor < 0:
                    yield from self._found()
                rest = yield from self._to_the_end()
                if not self.live:
                    yield from self._last(rest)
                    return
                if (yield from self._grown(len(rest))):
                    continue
                yield from self._last(rest)
                self._switch()
        finally:
            self.place()
            self._close()

    def _to_the_end(self) -> Generator[Record, None, bytes]:
        """Yield whole records; return what stands behind the last newline."""
        unfinished = self.unfinished
        parts: list[bytes] = []
        held: list[bytes] = []
        with told(f"{self.path} cannot be read", _HINT):
            os.lseek(self._descriptor, self.position, os.SEEK_SET)
        while chunk := self._read():
            parts.append(chunk)
            if b"\n" not in chunk:
                continue
            *whole, rest = b"".join(parts).split(b"\n")
            parts = [rest]
            for raw in whole:
                if held or (unfinished is not None and unfinished(raw)):
                    held.append(raw)
                    record = b"\n".join(held)
                    if unfinished is None or unfinished(record):
                        continue
                    self.position += len(record) + 1
                    self.line += len(held)
                    number = self.line - len(held) + 1
                    held = []
                    yield number, record
                    continue
                self.position += len(raw) + 1
                self.line += 1
                yield self.line, raw
        return b"\n".join([*held, b"".join(parts)])

    def _read(self) -> bytes:
        with told(f"{self.path} cannot be read", _HINT):
            return os.read(self._descriptor, _CHUNK)

    def _last(self, rest: bytes) -> Generator[Record, None, None]:
        """A file may end without a newline."""
        if rest:
            number = self.line + 1
            self.position += len(rest)
            self.line += rest.count(b"\n") + 1
            yield number, rest

    def _grown(self, unread: int) -> Generator[None, None, bool]:
        """Wait until there is more; return False when the file was replaced and is read to its end."""
        replaced = False
        while True:
            yield from self._pause()
            self.place()  # now, while what was read stands there
            size = os.fstat(self._descriptor).st_size
            if size < self.position + unread or self._rewritten():
                self.note(f"{self.path} was cut; reading it from its start")
                self.position = self.line = 0
                self._identity = identity_of(self._descriptor, 0)
                return True
            if size > self.position + unread:
                return True
            if replaced:  # whoever wrote to it had a period more to find the new one
                return False
            replaced = self._replaced()

    def _pause(self) -> Generator[None, None, None]:
        until = time.monotonic() + self.every
        while True:
            yield None
            if time.monotonic() >= until:
                return

    def _rewritten(self) -> bool:
        assert self._identity is not None
        head = self._identity.head
        return bool(head) and os.pread(self._descriptor, len(head), 0) != head

    def _replaced(self) -> bool:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False  # between the two renames of a rotation
        assert self._identity is not None
        return (status.st_dev, status.st_ino) != self._identity.number

    def _found(self) -> Generator[None, None, None]:
        """Open the file that the place names, else the one that has the path now."""
        while True:
            wanted, path = self._identity, self.path
            found = path if wanted is None else found_again(path, wanted, self.position, moved=self.live)
            if found is not None and self._open(found):
                return
            if wanted is not None and path.exists():
                self._give_up()
            elif not self.live:
                raise ConnectorError(f"{path} does not exist.", hint=_HINT)
            else:
                yield from self._pause()

    def _give_up(self) -> None:
        """The file that was being read is gone, and another has its name: go on there, unless that would lose something."""
        if self.position:
            what = (
                f"{self.path} is not the file of which {self.position} bytes were read, and that one is not beside it"
            )
            if self.lost != "skip":
                raise ConnectorError(f"{what}.", hint="Put it back" + (", or say lost='skip'." if self.live else "."))
            self.note(f"{what}; going on at the start of the new one")
        self._identity = None
        self.position = self.line = 0

    def _switch(self) -> None:
        assert self._identity is not None
        following = successor(self.path, self._identity)
        self._close()
        self._identity = None
        self.position = self.line = 0
        self._open(following)

    def _open(self, path: Path) -> bool:
        """Open a file; return False if it is not there."""
        with told(f"{path} cannot be read", _HINT):
            try:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        if self.position == 0:
            self._identity = identity_of(self._descriptor, 0)
        return True

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
