# SPDX-License-Identifier: Apache-2.0
"""What a source wrote that can't be run again, over all generations: files that begin anew at each checkpoint, so that what a commit has made
useless can go.

A file is named by the generation that made it and by the number of its first write, and holds what follows, up to where a later file begins.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from d4py.errors import StateError
from d4py.runs.growing import Growing, blocks, encoded, raised
from d4py.runs.unpickling import loads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d4py.runs.growing import Failed


class _Span(NamedTuple):
    """A file, and which writes of it count."""

    path: Path
    first: int
    end: int | None  # None: of the last, all


class Journal:
    """Keeps the writes of one source."""

    def __init__(self, folder: Path, rank: int, generation: int, *, failed: Failed = raised) -> None:
        """failed: is told of a disk that takes no more, and raises."""
        self._folder = folder
        self._rank = rank
        self._generation = generation
        self._failed = failed
        self._file: Growing | None = None
        self._next = 0  # number of the next write

    def since(self, number: int) -> Iterator[Any]:
        """Yield the writes from `number` on that earlier generations kept. All must be taken before the next is appended."""
        self._next = number
        for path, first, end in _spans(self._folder, self._rank):
            if end is not None and end <= self._next:
                continue
            if first > self._next:
                raise StateError(
                    f"The journal {path} begins at write {first}, where {self._next} was due.",
                    hint="Its disk lost data; run the workflow again.",
                )
            with open(path, "rb") as file:
                for data in blocks(file, skip=self._next - first):
                    if end is not None and self._next >= end:
                        break
                    self._next += 1
                    yield loads(data, self._folder.parent)

    def append(self, value: Any) -> None:
        """Keep one write; it survives the death of this process."""
        data = encoded(value)
        if self._file is None:
            name = f"{self._rank:05d}.{self._generation:04d}.{self._next:012d}.journal"
            self._file = Growing(self._folder / name, self._failed, spare=False)
        self._file.append(data)
        self._next += 1

    def sync(self) -> None:
        """Make what was appended durable; what follows goes into a file of its own."""
        if self._file is not None:
            self._file.sync()
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def drop(folder: Path, rank: int, below: int) -> None:
    """Remove the files of a source that hold nothing but writes below a number."""
    for path, _, end in _spans(folder, rank):
        if end is not None and end <= below:
            with suppress(OSError):
                path.unlink()


def _spans(folder: Path, rank: int) -> list[_Span]:
    """Return the files of a source, in the order of its writes. What an older generation wrote beside a later one does not count."""
    found: list[tuple[int, int, Path]] = []
    for path in folder.glob(f"{rank:05d}.*.journal"):
        _, generation, number, _ = path.name.split(".")
        found.append((int(generation), int(number), path))
    spans: list[_Span] = []
    end: int | None = None
    for _, first, path in sorted(found, reverse=True):
        spans.append(_Span(path, first, end))
        end = first if end is None else min(first, end)
    return spans[::-1]
