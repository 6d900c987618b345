# SPDX-License-Identifier: Apache-2.0
"""Recycled shared memory: large buffers are written once into a slot that the reader maps, and come back when nobody looks at them.

An arena is one anonymous memory file, passed by descriptor: nothing has a name, so nothing is left behind. Its slots are few and the last one
freed is the next one used, so they stay in the cache: touching fresh pages costs twenty times as much.

A frame may be sent again while it is not acknowledged. Its slots are used for something else only when it is, and the reader has let go of them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import DiskError
from d4py.items.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Iterable

ARENA_BYTES = 1 << 30  # of addresses; memory is used only where slots are
_PAGE = 4096


def create_file() -> int:
    """Return the descriptor of a new anonymous memory file of arena size."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("d4py-arena", os.MFD_CLOEXEC)
    else:  # macOS
        import tempfile

        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
    try:
        os.ftruncate(descriptor, ARENA_BYTES)
    except OSError as error:  # a limit of file sizes holds for memory files, too
        os.close(descriptor)
        raise DiskError.of("Shared memory", error) from None
    return descriptor


class Arena:
    """The writer's side: takes slots and gets them back."""

    def __init__(self, descriptor: int, limit: int = ARENA_BYTES) -> None:
        self._map = mmap.mmap(descriptor, ARENA_BYTES)
        self._view = memoryview(self._map)
        self._limit = limit
        self._end = 0
        self._free: dict[int, list[int]] = {}  # slot size -> offsets, last freed last
        self._sizes: dict[int, int] = {}
        self._kept: set[int] = set()  # of frames that are not acknowledged
        self._lent: dict[int, int] = {}  # by slot, the process that has not let go of it
        self._given: dict[
            int, int
        ] = {}  # slots that a PE computes in: bytes that it asked for, 0 once they are written
        self._blocks: dict[int, weakref.ref[Any]] = {}  # what it holds of them
        self._left: deque[int] = deque()  # of these, what the PE holds no more
        self._first = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def put(self, buffer: memoryview) -> int | None:
        """Return the offset of a slot with what is in a buffer, or None where no slot is free. It is free again when it was lent and given back.

        A whole slot from `empty` is given away as it is, once; all else is copied.
        """
        size = buffer.nbytes
        if self._given and (own := self._slot_at(buffer)) is not None:
            self._given[own] = 0
            return own
        offset = self._take(_slot_size(size))
        if offset is not None:
            self._view[offset : offset + size] = buffer
        return offset

    def empty(self, size: int) -> ctypes.Array[ctypes.c_char] | None:
        """Return a slot to compute in, or None where no slot is free."""
        offset = self._take(_slot_size(size))
        if offset is None:
            return None
        block = (ctypes.c_char * size).from_buffer(self._map, offset)
        self._given[offset] = size
        left = self._left
        self._blocks[offset] = weakref.ref(block, lambda _reference: left.append(offset))
        return block

    def _slot_at(self, buffer: memoryview) -> int | None:
        """Return the slot from `empty` that a buffer is the whole of, if it is one that was not written yet."""
        if buffer.readonly:
            return None
        offset = ctypes.addressof(ctypes.c_char.from_buffer(buffer)) - self._first
        return offset if self._given.get(offset) == buffer.nbytes else None

    def _take(self, size: int) -> int | None:
        while self._left:
            offset = self._left.popleft()
            del self._given[offset], self._blocks[offset]
            self._settle(offset)
        free = self._free.get(size)
        if free:
            return free.pop()
        if self._end + size > self._limit:
            return None
        offset = self._end
        self._end += size
        self._sizes[offset] = size
        return offset

    def lend(self, offsets: Iterable[int], reader: int) -> None:
        """Note that a frame with these slots goes to a process, for the first time or again."""
        for offset in offsets:
            self._kept.add(offset)
            self._lent[offset] = reader

    def release(self, offset: int) -> None:
        """Note that its reader has let go of a slot."""
        self._lent.pop(offset, None)
        self._settle(offset)

    def acknowledged(self, offsets: Iterable[int]) -> None:
        """Note that a frame with these slots will not be sent again."""
        for offset in offsets:
            self._kept.discard(offset)
            self._settle(offset)

    def bereft(self, reader: int) -> None:
        """Take back what a process had that died, but for what is to be sent again."""
        for offset in [offset for offset, holder in self._lent.items() if holder == reader]:
            self.release(offset)

    def _settle(self, offset: int) -> None:
        """Let a slot be used for something else, if nobody has anything to do with it."""
        if offset not in self._lent and offset not in self._kept and offset not in self._given:
            self._free.setdefault(self._sizes[offset], []).append(offset)

    def drop(self, slots: Iterable[tuple[int, int]]) -> None:
        """Take back slots of a frame that was not sent: offsets and bytes. What a PE computed in can still be given away."""
        for offset, size in slots:
            if offset in self._given:
                self._given[offset] = size
            self._settle(offset)


class Mapped:
    """The reader's side of another process's arena."""

    def __init__(self, descriptor: int, *, private: bool = False) -> None:
        """private: what this process changes is not seen by others, who may have to read it again."""
        self._map = mmap.mmap(
            descriptor,
            ARENA_BYTES,
            flags=mmap.MAP_PRIVATE if private else mmap.MAP_SHARED,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
        self._changes = Changes(self._map) if private else None
        self._leases: dict[int, weakref.ref[Any]] = {}
        self.released: deque[int] = deque()  # offsets nobody looks at any more

    def view(self, offset: int, size: int) -> memoryview:
        """Return a writable view of a slot; the slot is released when the last object on it is gone."""
        block = (ctypes.c_char * size).from_buffer(self._map, offset)
        leases, released, changes = self._leases, self.released, self._changes

        def let_go(_reference: weakref.ref[Any]) -> None:
            leases.pop(offset, None)
            if changes is not None:
                changes.undo(offset, size)
            released.append(offset)

        leases[offset] = weakref.ref(block, let_go)
        return memoryview(block).cast("B")

    def take_released(self) -> list[int]:
        """Return the slots that nobody looks at any more, and forget them."""
        return [self.released.popleft() for _ in range(len(self.released))]


@lru_cache(maxsize=64)
def _slot_size(size: int) -> int:
    """Round up to pages, in steps of an eighth of a power of two, so that arrays of about one size share slots."""
    step = max(_PAGE, 1 << max(0, size.bit_length() - 4))
    return -(-size // step) * step
