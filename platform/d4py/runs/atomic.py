# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or absent, whatever dies. What cannot be written raises DiskError."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from d4py.errors import DiskError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, *data: bytes, durable: bool = True, entered: bool = True) -> None:
    """Write a file by rename, of pieces that are not joined in memory. durable: its contents survive a power cut. entered: so does its entry in the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(temporary, *data, durable=durable)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise DiskError.of(path, error) from error
    if durable and entered:
        sync(path.parent)


def write_json(path: Path, data: Any, *, durable: bool = True) -> None:
    """Write JSON by rename."""
    write(path, as_json(data), durable=durable)


def as_json(data: Any) -> bytes:
    """Return JSON as people can read it."""
    return (json.dumps(data, indent=1, default=str) + "\n").encode()


def create(path: Path, data: bytes) -> None:
    """Create a file that must not exist yet; raise FileExistsError if it does. It is whole, but not yet durable."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # processes of two hosts may have one number
    try:
        _write(temporary, data, durable=False)
        os.link(temporary, path)  # whole, and only if there is none
    except FileExistsError:
        raise
    except OSError as error:
        raise DiskError.of(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def sync(path: Path) -> None:
    """Make a file's contents durable, or the entries of a folder."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DiskError.of(path, error) from error


def _write(path: Path, *data: bytes, durable: bool) -> None:
    with open(path, "wb") as file:
        file.writelines(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
