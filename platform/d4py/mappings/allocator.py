# SPDX-License-Identifier: Apache-2.0
"""Lets the C allocator keep large blocks. By default glibc gives the memory of arrays back to the system, and each new array pays for its pages again."""

from __future__ import annotations

import sys

LARGEST = 32 << 20  # bytes; glibc maps larger blocks one by one whatever it is told
KEPT = 256 << 20  # bytes at the top of the heap that stay when they are free
# For processes that are yet to start: the same by environment.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(LARGEST), "MALLOC_TRIM_THRESHOLD_": str(KEPT)}

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt(3)


def keep_large_blocks(*, always: bool = False) -> None:
    """Set it in this process, where the C library knows the call. always: also where nothing that makes arrays is loaded yet."""
    if not always and "numpy" not in sys.modules:
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGEST)
        mallopt(_TRIM_THRESHOLD, KEPT)
