# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or absent, whatever dies."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file by rename. durable: also over a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if durable:
        sync_folder(path.parent)


def write_json(path: Path, data: Any, *, durable: bool = True) -> None:
    """Write JSON by rename."""
    write(path, (json.dumps(data, indent=1, default=str) + "\n").encode(), durable=durable)


def create(path: Path, data: bytes) -> None:
    """Create a file that must not exist yet; raise FileExistsError if it does."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # whole, and only if there is none
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
