# SPDX-License-Identifier: Apache-2.0
"""Large buffers of a frame, beside it: what the codec has for slots of shared memory where there is none."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from d4py.items.codec import HEAD

_SLOT = struct.Struct("<QQ")  # as the codec writes them: which buffer, of how many bytes


class Parcel:
    """The buffers that go with one frame, by number."""

    def __init__(self, buffers: Sequence[memoryview] = ()) -> None:
        self.buffers = list(buffers)

    def put(self, raw: memoryview) -> int:
        """Take a buffer as it lies; return its number."""
        self.buffers.append(raw)
        return len(self.buffers) - 1

    def drop(self, slots: Iterable[tuple[int, int]]) -> None:
        """Give buffers back."""
        self.buffers.clear()

    def view(self, number: int, size: int) -> Any:
        """Return a buffer that has come."""
        return self.buffers[number]


def sizes(message: memoryview) -> list[int]:
    """Return the size of a message that begins so, and those of the buffers that follow it."""
    body, _, _, slots, *_ = HEAD.unpack_from(message)
    return [
        HEAD.size + body,
        *(_SLOT.unpack_from(message, HEAD.size + index * _SLOT.size)[1] for index in range(slots)),
    ]
