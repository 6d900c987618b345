# SPDX-License-Identifier: Apache-2.0
"""The wire form of messages between processes of one run on one machine.

A message is a fixed head, slot descriptors and a body. Items are pickled (protocol 5), large buffers out of band into slots. The sockets are
made by the supervisor and handed over by descriptor: only the run's own processes hold an end.
"""

from __future__ import annotations

import pickle
import struct
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from d4py.items.arrays import LARGE, formed, placed
from d4py.items.copying import FLAT
from d4py.items.frame import Frame, Kind
from d4py.items.sending import too_long, unsendable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from d4py.items.arrays import Form

VERSION = 1


class Type(IntEnum):
    """What a message is. The first three are frames, by their kind."""

    DATA = 0
    BARRIER = 1
    END = 2
    ACKNOWLEDGE = 3
    RELEASE = 4
    CONTROL = 5


# body bytes, version, type, slots, channel, generation, attempt, number, first, epoch
HEAD = struct.Struct("<IBBHIIIQQI")
_LONGEST = 2**32 - 1  # bytes of a body
_SLOT = struct.Struct("<QQ")
_SMALL = FLAT | {str}


class Encoded(NamedTuple):
    """A frame as it travels. size: the bytes that it holds, slots too. offsets: of the slots."""

    head: bytes
    body: bytes
    size: int
    offsets: list[int]
    number: int


class Taker(Protocol):
    """What large buffers of a frame are put into."""

    def put(self, raw: memoryview, /) -> int | None:
        """Take a buffer; return where it is, or None where there is no room."""

    def drop(self, slots: Iterable[tuple[int, int]], /) -> None:
        """Take back places, with their bytes, of a frame that was not sent."""


class Giver(Protocol):
    """What has the large buffers of a frame that has come."""

    def view(self, offset: int, size: int, /) -> Any:
        """Return a buffer."""


def encode_frame(frame: Frame, arena: Taker | None) -> Encoded:
    """Return the wire form of a frame; large buffers are put into the arena."""
    body, slots = b"", _NO_SLOTS
    if frame.kind is Kind.DATA:
        if arena is not None and type(frame.items[0]) not in _SMALL:
            slots = _Slots(arena)
        try:
            body = _body(frame, slots)
        except Exception as error:
            slots.drop()
            raise unsendable(frame.items, error) from error
        if len(body) > _LONGEST:
            slots.drop()
            raise too_long(frame.items, len(body), _LONGEST)
    head = HEAD.pack(
        len(body),
        VERSION,
        frame.kind,
        len(slots.offsets),
        frame.channel,
        frame.generation,
        frame.attempt,
        frame.number,
        frame.first,
        frame.epoch,
    )
    return Encoded(head, body, len(body) + sum(slots.sizes), slots.offsets, frame.number)


def _body(frame: Frame, slots: _Slots) -> bytes:
    """Return the descriptors of the slots that a frame takes, and what is not in slots."""
    whole = (frame.items, frame.origins, frame.cause)
    if slots is _NO_SLOTS:
        return pickle.dumps(whole, protocol=5)
    body = _plain(frame, slots) or pickle.dumps(whole, protocol=5, buffer_callback=slots.take)
    if not slots.offsets:
        return body
    numbers = [number for slot in zip(slots.offsets, slots.sizes, strict=True) for number in slot]
    return struct.pack(f"<{len(numbers)}Q", *numbers) + body


class _Slots:
    """The slots that a frame takes."""

    def __init__(self, arena: Taker | None = None) -> None:
        self.arena = arena
        self.offsets: list[int] = []
        self.sizes: list[int] = []

    def take(self, buffer: pickle.PickleBuffer) -> bool:
        """Put a buffer into a slot; return whether it stays in the frame instead."""
        raw = buffer.raw()
        return raw.nbytes < LARGE or not self.put(raw)

    def put(self, raw: memoryview) -> bool:
        """Put bytes into a slot; return whether one was free."""
        assert self.arena is not None
        offset = self.arena.put(raw)
        if offset is None:
            return False
        self.offsets.append(offset)
        self.sizes.append(raw.nbytes)
        return True

    def drop(self) -> None:
        """Give all back."""
        if self.arena is not None:
            self.arena.drop(zip(self.offsets, self.sizes, strict=True))
        self.offsets, self.sizes = [], []


_NO_SLOTS = _Slots()  # of frames that need none: their first item says so


def _plain(frame: Frame, slots: _Slots) -> bytes:
    """Return the body of a frame of large plain arrays, which are in slots then; nothing where it is any other, or too few slots are free."""
    found = placed(frame.items, slots.put)
    if not found:
        if slots.offsets:
            slots.drop()
        return b""
    if frame.origins is None and frame.cause is None:
        return _forms(tuple(found))
    return pickle.dumps((None, frame.origins, frame.cause, found), protocol=5)


@lru_cache(maxsize=64)
def _forms(found: tuple[Form, ...]) -> bytes:
    return pickle.dumps((None, None, None, found), protocol=5)


def decode_frame(head: Sequence[int], body: memoryview, mapped: Giver | None) -> Frame:
    """Return the frame of a head and a body; its large buffers stay where they are."""
    _, _, kind, slots, channel, generation, attempt, number, first, epoch = head
    items: list[Any] = []
    origins = cause = None
    if kind == Type.DATA and not slots:
        items, origins, cause = pickle.loads(body)
    elif kind == Type.DATA:
        buffers = []
        for index in range(slots):
            assert mapped is not None
            offset, size = _SLOT.unpack_from(body, index * _SLOT.size)
            buffers.append(mapped.view(offset, size))
        items, origins, cause, *plain = pickle.loads(body[slots * _SLOT.size :], buffers=buffers)
        if plain:
            items = formed(plain[0], buffers)
    return Frame(generation, channel, number, first, Kind(kind), items, epoch, attempt, cause, origins)


def encode_acknowledge(channel: int, generation: int, number: int, credit: int, offsets: Sequence[int] = ()) -> bytes:
    """Return an acknowledgement. offsets: slots that are given back with it."""
    body = struct.pack(f"<{len(offsets)}Q", *offsets)
    return HEAD.pack(len(body), VERSION, Type.ACKNOWLEDGE, 0, channel, generation, 0, number, credit, 0) + body


def encode_release(offsets: Sequence[int]) -> bytes:
    """Return the message that gives slots back to their arena."""
    body = struct.pack(f"<{len(offsets)}Q", *offsets)
    return HEAD.pack(len(body), VERSION, Type.RELEASE, 0, 0, 0, 0, 0, 0, 0) + body


def decode_release(body: memoryview) -> tuple[int, ...]:
    """Return the offsets of a release, or of those that come with an acknowledgement."""
    return struct.unpack(f"<{len(body) // 8}Q", body)


def encode_control(value: Any) -> bytes:
    """Return a message between a worker and its supervisor."""
    body = pickle.dumps(value, protocol=5)
    return HEAD.pack(len(body), VERSION, Type.CONTROL, 0, 0, 0, 0, 0, 0, 0) + body


def decode_control(body: memoryview) -> Any:
    """Return what `encode_control` took."""
    return pickle.loads(body)
