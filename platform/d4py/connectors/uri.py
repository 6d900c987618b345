# SPDX-License-Identifier: Apache-2.0
"""Files by URI: fetched whole or not at all, and written back, through fsspec."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from d4py.errors import ConnectorError, UsageError

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S")
_OURS = ("file", "http", "https")  # what the extra brings


def is_uri(value: object) -> bool:
    """Whether a value is text that names a file by URI."""
    return isinstance(value, str) and _URI.match(value) is not None


def local_of(value: object) -> Path | None:
    """Return the path that a URI means on this machine; None where it means none."""
    parts = urlsplit(value) if isinstance(value, str) and is_uri(value) else None
    return Path(unquote(parts.path)) if parts is not None and parts.scheme.lower() == "file" else None


def fetch(uri: str, folder: Path) -> Path:
    """Return the local copy of a file, or of a folder, below a folder: what is there already, else fetched now. Raises ConnectorError.

    A copy is known by its URI and by what tells its version there, such as its size and its time. It appears when it is complete.
    """
    system, path = _system(uri)
    try:
        info = system.info(path)
    except Exception as error:
        raise _failed(f"{uri} cannot be fetched", error) from None
    version = [str(info.get(key)) for key in ("size", "ETag", "LastModified", "mtime", "modified")]
    place = folder / blake2b("\0".join([uri, *version]).encode(), digest_size=8).hexdigest() / _name(uri)
    if place.exists():
        return place
    half = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if info.get("type") == "directory":
            system.get(path, str(half), recursive=True)
        else:
            system.get_file(path, str(half))  # `get` would take ? and * for patterns
        size = info.get("size")
        if half.is_file() and isinstance(size, int) and half.stat().st_size != size:
            raise EOFError(f"{half.stat().st_size:,} of {size:,} bytes came")
        with suppress(FileExistsError):  # another has fetched the same folder meanwhile
            os.replace(half, place)
    except Exception as error:
        raise _failed(f"{uri} cannot be fetched", error) from None
    finally:
        _remove(half)
    return place


def put(path: Path, uri: str) -> None:
    """Write a file to where a URI says. Raises ConnectorError."""
    system, there = _system(uri)
    try:
        system.put_file(str(path), there)
    except Exception as error:
        raise _failed(f"{uri} cannot be written", error) from None


def beside(uri: str, suffix: str) -> str:
    """Return the URI of a file beside another, which differs by its suffix."""
    return f"{uri.removesuffix(PurePosixPath(uri).suffix)}{suffix}"


def _system(uri: str) -> tuple[Any, str]:
    """Return what reads and writes files of a URI, and their path there."""
    scheme = uri.partition("://")[0].lower()
    if scheme == "memory":
        raise UsageError(f"{uri}: memory is of this process alone.", hint="Name a file that there is.")
    hint = "pip install 'd4py[staging]'."
    try:
        import fsspec
    except ImportError:
        raise UsageError(f"{uri} cannot be reached: fsspec is not installed.", hint=hint) from None
    try:
        system, path = fsspec.url_to_fs(uri)
    except ImportError as error:
        raise UsageError(
            f"{uri} cannot be reached: {str(error).rstrip('.')}.",
            hint=hint
            if scheme in _OURS
            else "Install what fsspec needs for it: s3fs for s3, gcsfs for gs, adlfs for az.",
        ) from None
    except Exception as error:
        raise UsageError(
            f"{uri} cannot be reached: {str(error).rstrip('.')}.", hint="Check how it is written."
        ) from None
    return system, path


def _name(uri: str) -> str:
    name = PurePosixPath(unquote(urlsplit(uri).path)).name
    return name if name not in ("", ".", "..") and "\0" not in name else "data"


def _failed(what: str, error: Exception) -> ConnectorError:
    # Over http whatever goes wrong is a file that is not found; what it was stands behind.
    behind = error.__cause__ if isinstance(error, FileNotFoundError) and not _is_answer(error.__cause__) else None
    cause = behind or error
    why = "there is no such file" if isinstance(cause, FileNotFoundError) else str(cause) or type(cause).__name__
    return ConnectorError(
        f"{what}: {' '.join(why.split()):.200}.", hint="Check the address and the network, and try again."
    )


def _is_answer(cause: BaseException | None) -> bool:
    """Whether a server was there to say that it has no such file."""
    return cause is None or getattr(cause, "status", None) in (404, 410)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
