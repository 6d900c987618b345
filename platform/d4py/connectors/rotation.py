# SPDX-License-Identifier: Apache-2.0
"""Which file is which, where files are renamed while they are read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file is known again by: its device and number, and its first bytes, since a number is used again once a file is deleted."""

    number: tuple[int, int]
    head: bytes


def identity_of(descriptor: int, length: int) -> Identity:
    """Return the identity of an open file by its first `length` bytes."""
    status = os.fstat(descriptor)
    return Identity((status.st_dev, status.st_ino), os.pread(descriptor, length, 0) if length else b"")


def found_again(path: Path, wanted: Identity, position: int, *, moved: bool) -> Path | None:
    """Return where a file is that was read up to a position: under its own name, or a name that a rotation gave it; None if it is gone.

    moved: it may have another name, but must be the same file; else a copy under its own name will do.
    """
    for candidate in _family(path) if moved else [path]:
        try:
            with open(candidate, "rb") as file:
                status = os.fstat(file.fileno())
                same = not moved or (status.st_dev, status.st_ino) == wanted.number
                if same and status.st_size >= position and file.read(len(wanted.head)) == wanted.head:
                    return candidate
        except OSError:
            continue
    return None


def successor(path: Path, last: Identity) -> Path:
    """Return the file that was written after `last`: one that was rotated away since, or the one that has the path now."""
    aged = []
    for candidate in _family(path):
        try:
            status = candidate.stat()
        except FileNotFoundError:
            continue
        aged.append((status.st_mtime_ns, _age(path, candidate), (status.st_dev, status.st_ino), candidate))
    aged.sort()
    numbers = [number for _, _, number, _ in aged]
    if last.number not in numbers[:-1]:
        return path
    return aged[numbers.index(last.number) + 1][3]


def _family(path: Path) -> Iterator[Path]:
    """Yield the path, and what a rotation calls its older files: `x.log.1`, `x.log-20260831`. Compressed ones are not among them."""
    yield path
    rotated = re.compile(re.escape(path.name) + r"[.-]\d[\d.T:_-]*")
    if path.parent.is_dir():
        yield from sorted(other for other in path.parent.iterdir() if rotated.fullmatch(other.name))


def _age(path: Path, candidate: Path) -> tuple[int, str]:
    """Order files of one moment, oldest first: by falling number, or by date; the path itself is the youngest."""
    mark = candidate.name[len(path.name) + 1 :]
    if not mark:
        return 1, ""
    return (-int(mark), "") if mark.isdigit() and len(mark) < 6 else (0, mark)
