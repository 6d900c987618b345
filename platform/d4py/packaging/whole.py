# SPDX-License-Identifier: Apache-2.0
"""Folders and files that appear when they are whole, and of which nothing is left otherwise."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from d4py.errors import ImageError
from d4py.packaging.layout import written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield another name to write a folder or a file by; at the end it gets its own. Raises ImageError where there is one already."""
    if path.exists() or path.is_symlink():
        raise ImageError(f"{path} exists.", hint="Choose another place, or delete it.")
    temporary = path.absolute().with_name(f".{path.name}.{os.getpid()}")
    try:
        with written(path):
            yield temporary
            temporary.rename(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):
                temporary.unlink()
