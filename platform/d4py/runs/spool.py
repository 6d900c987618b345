# SPDX-License-Identifier: Apache-2.0
"""Append-only files of values: what nobody consumes, and what is in quarantine.

A spool has one file per cell and generation. A part says how far into which files it reaches; what lies beyond does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.errors import NotPicklable, StateError
from d4py.items.copying import FLAT, sized
from d4py.runs.growing import HEAD, Growing, blocks, encoded, raised
from d4py.runs.unpickling import loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from d4py.runs.growing import Failed

Record = tuple[int, str, Any]  # rank, output, value
Reach = list[tuple[str, int, int]]  # file, bytes, records

_RECORDS = 256  # held in memory at most
_BYTES = 256 << 10


class Spool:
    """Appends records of one cell in one generation."""

    def __init__(
        self, folder: Path, cell: int, generation: int, before: Reach | None = None, *, failed: Failed = raised
    ) -> None:
        """before: how far the commit reaches that this generation starts from. failed: is told of a disk that takes no more, and raises."""
        self._path = folder / f"{cell:05d}.{generation:04d}.spool"
        self._before = [tuple(entry) for entry in before or []]
        self._failed = failed
        self._file: Growing | None = None
        self._records: list[Record] = []
        self._held = 0  # bytes, about, beside what is small and of one size
        self._number = 0

    def append(self, rank: int, name: str, value: Any) -> None:
        """Keep one value."""
        self._records.append((rank, name, value))
        if type(value) not in FLAT:
            self._held += sized(value)
        if len(self._records) >= _RECORDS or self._held > _BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what was appended to the operating system."""
        if not self._records:
            return
        try:
            data = encoded(self._records)
        except NotPicklable:
            raise _unkept(self._records) from None
        if self._file is None:
            self._file = Growing(self._path, self._failed, spare=True)
        self._file.append(data)
        self._number += len(self._records)
        self._records, self._held = [], 0

    def reach(self) -> Reach:
        """Make what was appended durable; return what a part keeps of it."""
        self.flush()
        if self._file is None:
            return list(self._before)  # type: ignore[arg-type]
        self._file.sync()
        return [*self._before, (self._path.name, self._file.size, self._number)]  # type: ignore[list-item]

    @property
    def length(self) -> tuple[int, int]:
        """Return bytes and records in this generation's file."""
        return (self._file.size, self._number) if self._file is not None else (0, 0)

    def cut(self, size: int, records: int) -> None:
        """Go on in this generation's file behind what a cell that died had settled."""
        if size:
            self._file = Growing(self._path, self._failed, spare=True, size=size)
            self._number = records

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _unkept(records: Sequence[Record]) -> NotPicklable:
    """Return the error that tells of the first of these that cannot be kept."""
    for rank, name, value in records:
        try:
            encoded(value)
        except NotPicklable as error:
            error.record = (rank, name)
            return error
    raise AssertionError("each can be kept, and all together cannot")


def read(folder: Path, reach: Sequence[Any]) -> Iterator[Record]:
    """Yield the records that a part reaches, in order."""
    for name, size, _ in reach:
        whole = 0
        try:
            with open(folder / name, "rb") as file:
                for data in blocks(file, end=size):
                    whole += HEAD.size + len(data)
                    yield from loads(data, folder.parent)
        except FileNotFoundError:
            raise StateError(
                f"The spool {folder / name} is gone.", hint="The run's outputs cannot be read; run it again."
            ) from None
        if whole < size:
            raise StateError(
                f"The spool {folder / name} is cut short: {whole} bytes of {size}.",
                hint="Its disk lost data; run the workflow again.",
            )


def records(reach: Sequence[Any]) -> int:
    """Return how many records a part says it reaches."""
    return sum(entry[2] for entry in reach or ())
