# SPDX-License-Identifier: Apache-2.0
"""What is secret in the environment of a run, and is told to nobody by d4py itself: neither in the last word nor in what it prints of errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

VARIABLES = "D4PY_SECRETS"  # names of variables, separated by blanks
FOLDERS = "D4PY_SECRET_FOLDERS"  # folders with colons between, as a cluster lays out a Secret: a file is called as a variable, and holds its value
_LARGEST = 1 << 16  # bytes of a value that is looked for
_HIDDEN = "***"


def hidden(text: str) -> str:
    """Return a text without the values of what is secret. Of values that hold each other the longest goes first."""
    for value in sorted(set(_values()), key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return text


def _values() -> Iterator[str]:
    names = os.environ.get(VARIABLES, "").split()
    for folder in filter(None, os.environ.get(FOLDERS, "").split(":")):
        for file in _files(Path(folder)):
            names.append(file.name)  # a Secret may have changed since: the environment keeps what it was
            yield from _shapes(_content(file))
    for name in names:
        yield from _shapes(os.environ.get(name, ""))


def _shapes(value: str) -> Iterator[str]:
    """Yield a value as errors may show it: as it is, on one line, and as Python writes it."""
    for shape in (value, value.strip(), " ".join(value.split()), repr(value)[1:-1]):
        if shape:
            yield shape


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("..") and entry.is_file())
    except OSError:
        return []


def _content(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
