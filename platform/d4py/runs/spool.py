# SPDX-License-Identifier: Apache-2.0
"""Append-only files of values: what nobody consumes, what is in quarantine, what a source wrote that can't be run again.

A spool has one file per cell and generation. A part says how far into which files it reaches; what lies beyond does not count.
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from d4py.errors import NotPicklable, StateError
from d4py.runs.unpickling import loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Record = tuple[int, str, Any]  # rank, output, value
Reach = list[tuple[str, int, int]]  # file, bytes, records

_LENGTH = struct.Struct("<Q")
_RECORDS = 256
_LARGE = 32 << 10


class Spool:
    """Appends records of one cell in one generation."""

    def __init__(self, folder: Path, cell: int, generation: int, before: Reach | None = None) -> None:
        """before: how far the commit reaches that this generation starts from."""
        self._path = folder / f"{cell:05d}.{generation:04d}.spool"
        self._before = [tuple(entry) for entry in before or []]
        self._file: BinaryIO | None = None
        self._records: list[Record] = []
        self._size = 0
        self._number = 0

    def append(self, rank: int, name: str, value: Any) -> None:
        """Keep one value."""
        self._records.append((rank, name, value))
        if len(self._records) >= _RECORDS or getattr(value, "nbytes", 0) > _LARGE:
            self.flush()

    def flush(self) -> None:
        """Hand what was appended to the operating system."""
        if not self._records:
            return
        data = _encoded(self._records)
        if self._file is None:
            self._file = open(self._path, "wb")
        self._file.write(_LENGTH.pack(len(data)) + data)
        self._file.flush()
        self._size += _LENGTH.size + len(data)
        self._number += len(self._records)
        self._records = []

    def reach(self) -> Reach:
        """Make what was appended durable; return what a part keeps of it."""
        self.flush()
        if self._file is None:
            return list(self._before)  # type: ignore[arg-type]
        os.fsync(self._file.fileno())
        return [*self._before, (self._path.name, self._size, self._number)]  # type: ignore[list-item]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Journal:
    """Keeps the writes of one source, over all generations."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._path = folder / f"{rank:05d}.journal"
        self._file: BinaryIO | None = None

    def append(self, value: Any) -> None:
        """Keep one write; it survives the death of this process."""
        if self._file is None:
            self._file = open(self._path, "ab", buffering=0)
        data = _encoded(value)
        self._file.write(_LENGTH.pack(len(data)) + data)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def sync(self) -> None:
        """Make what was appended durable: also over a power cut."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def since(self, number: int) -> Sequence[Any]:
        """Return the writes from `number` on; a half-written last one is cut off."""
        if not self._path.exists():
            return []
        values, whole = [], 0
        with open(self._path, "rb") as file:
            for data in _blocks(file, None):
                values.append(data)
                whole = file.tell()
        os.truncate(self._path, whole)
        return [loads(data, self._path.parent.parent) for data in values[number:]]


def read(folder: Path, reach: Sequence[Any]) -> Iterator[Record]:
    """Yield the records that a part reaches, in order."""
    for name, size, _ in reach:
        try:
            with open(folder / name, "rb") as file:
                for data in _blocks(file, size):
                    yield from loads(data, folder.parent)
        except FileNotFoundError:
            raise StateError(
                f"The spool {folder / name} is gone.", hint="The run's outputs cannot be read; run it again."
            ) from None


def records(reach: Sequence[Any]) -> int:
    """Return how many records a part says it reaches."""
    return sum(entry[2] for entry in reach or ())


def _blocks(file: BinaryIO, size: int | None) -> Iterator[bytes]:
    position = 0
    while size is None or position < size:
        head = file.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            break
        (length,) = _LENGTH.unpack(head)
        data = file.read(length)
        if len(data) < length:
            break
        position += _LENGTH.size + length
        yield data
    if size is not None and position < size:
        raise StateError(
            f"The spool {file.name} is cut short: {position} bytes of {size}.",
            hint="Its disk lost data; run the workflow again.",
        )


def _encoded(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:
        raise NotPicklable(
            f"A value cannot be kept: {error}.", hint="Write plain data, arrays, or objects of importable classes."
        ) from None
