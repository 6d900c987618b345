# SPDX-License-Identifier: Apache-2.0
"""A small disk that can be filled to the last byte: a tmpfs where this process may mount one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SIZE = 64 << 20  # bytes: room for all that a story writes
_BLOCKS = (1 << 20, 4096, 1)
_MOUNT = ("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "d4py-faults")


class Disk:
    """A folder; `small` where it is a file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.small = subprocess.run([*_MOUNT, str(path)], capture_output=True).returncode == 0
        self._ballast = path / "ballast"

    def fill(self) -> bool:
        """Leave no room; return whether that is so."""
        with open(self._ballast, "ab", buffering=0) as file:
            for size in _BLOCKS:
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue
        return os.statvfs(self.path).f_bavail == 0

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Give the file system up."""
        if self.small:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
            self.small = False
