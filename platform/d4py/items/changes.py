# SPDX-License-Identifier: Apache-2.0
"""Pages of a private mapping that this process has changed: they are dropped, so that what others write there next is seen.

Linux tells which they are: in /proc/self/pagemap a page of the file has a bit that a copy of it has not. Where that cannot be read, all pages of
a slot are dropped, which costs as much again as reading them.
"""

from __future__ import annotations

import ctypes
import mmap
import os

_PAGE = mmap.PAGESIZE
_ENTRY = 8  # bytes; the flags are in the last
_UNTOUCHED = bytes([0x00, 0xA0])  # not there; there, and a page of the file


class Changes:
    """Of one mapping."""

    def __init__(self, mapping: mmap.mmap) -> None:
        self._map = mapping
        probe = ctypes.c_char.from_buffer(mapping)
        self._first = ctypes.addressof(probe) // _PAGE
        try:
            self._pages = os.open("/proc/self/pagemap", os.O_RDONLY)
        except OSError:
            self._pages = -1

    def undo(self, offset: int, size: int) -> None:
        """Forget what was changed of a slot."""
        pages = -(-size // _PAGE)
        if self._pages >= 0:
            entries = os.pread(self._pages, pages * _ENTRY, (self._first + offset // _PAGE) * _ENTRY)
            if len(entries) == pages * _ENTRY and not entries[_ENTRY - 1 :: _ENTRY].translate(None, _UNTOUCHED):
                return
        self._map.madvise(mmap.MADV_DONTNEED, offset, pages * _PAGE)
