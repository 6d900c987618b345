# SPDX-License-Identifier: Apache-2.0
"""What survives a power cut, and what the system's refusals are told as."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from d4py.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def sync_folders(folders: Iterable[str | os.PathLike[str]]) -> None:
    """Make durable which names are in some folders."""
    for folder in sorted({os.fspath(folder) for folder in folders}):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, durably, where there is none."""
    made = []
    while not folder.is_dir():
        made.append(folder)
        folder = folder.parent
    for missing in reversed(made):
        missing.mkdir(exist_ok=True)
    sync_folders(missing.parent for missing in made)


@contextmanager
def told(what: str, hint: str) -> Iterator[None]:
    """Tell what the system refuses as a ConnectorError: what, and why."""
    try:
        yield
    except ConnectorError:
        raise
    except OSError as error:
        raise ConnectorError(f"{what}: {error.strerror or error}.", hint=hint) from None
