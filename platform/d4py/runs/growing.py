# SPDX-License-Identifier: Apache-2.0
"""A file that grows by whole blocks: a length, and so many bytes. What could not be written whole is taken back."""

from __future__ import annotations

import os
import pickle
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from d4py.errors import DiskError, NotPicklable
from d4py.runs import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Failed = Callable[[DiskError], NoReturn]

HEAD = struct.Struct("<Q")
_MOST = 1 << 30  # bytes at once; some systems refuse 2 GiB


def raised(error: DiskError) -> NoReturn:
    """Raise it: what becomes of a disk that takes no more, where nobody says otherwise."""
    raise error


def encoded(value: Any) -> bytes:
    """Return a value as a block holds it."""
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:
        raise NotPicklable(
            f"A value cannot be kept: {error}.", hint="Write plain data, arrays, or objects of importable classes."
        ) from None


class Growing:
    """A file, open for appending: a new one, or one that is there, cut to its first `size` bytes."""

    def __init__(self, path: Path, failed: Failed, *, spare: bool, size: int = 0) -> None:
        """failed: is told of a disk that takes no more, and raises. spare: nobody needs what was not synced, so it gives its room back then."""
        self.path = path
        self.size = size  # bytes in whole blocks
        self._failed = failed
        self._spare = spare
        self._error: DiskError | None = None
        self._synced = 0  # bytes
        self._entered = False  # that there is such a file is durable, too
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            self._fail(DiskError.of(path, error))

    def append(self, data: bytes) -> None:
        """Hand one block to the operating system: from then on it outlives this process."""
        self._check()
        pieces = [memoryview(HEAD.pack(len(data))), memoryview(data)]
        at = self.size
        try:
            while pieces:
                written = os.pwritev(self._descriptor, [piece[:_MOST] for piece in pieces], at)
                at += written
                while pieces and written >= len(pieces[0]):
                    written -= len(pieces.pop(0))
                if pieces:
                    pieces[0] = pieces[0][written:]
        except OSError as error:
            self._fail(DiskError.of(self.path, error))
        except BaseException:  # a signal's handler raised
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size = at

    def sync(self) -> None:
        """Make what was appended durable, and that there is such a file at all: also over a power cut."""
        self._check()
        try:
            os.fsync(self._descriptor)
            if not self._entered:
                atomic.sync(self.path.parent)
        except DiskError as error:
            self._fail(error)
        except OSError as error:
            self._fail(DiskError.of(self.path, error))
        self._entered, self._synced = True, self.size

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _check(self) -> None:
        if self._error is not None:
            self._failed(self._error)

    def _fail(self, error: DiskError) -> NoReturn:
        self._error = error
        with suppress(OSError):
            os.ftruncate(self._descriptor, self._synced if self._spare else self.size)
        self._failed(error)


def blocks(file: BinaryIO, *, end: int | None = None, skip: int = 0) -> Iterator[bytes]:
    """Yield the whole blocks of a file up to a position; a half one at its end is left out. skip: how many to pass over unread."""
    if end is None:
        end = os.fstat(file.fileno()).st_size
    position = 0
    while len(head := file.read(HEAD.size)) == HEAD.size:
        (length,) = HEAD.unpack(head)
        position += HEAD.size + length
        if position > end:
            return
        if skip:
            skip -= 1
            file.seek(length, os.SEEK_CUR)
            continue
        data = file.read(length)
        if len(data) < length:
            return
        yield data
        if position == end:
            return
