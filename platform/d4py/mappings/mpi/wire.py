# SPDX-License-Identifier: Apache-2.0
"""Messages between ranks: whole, in order between any two, never blocking. Large buffers travel beside, as they lie in memory.

A message is bytes; how long it is, how many buffers follow it, and of what size, its reader finds in it. What is longer than a piece travels
as several. Whoever calls holds the lock: MPI need not bear threads.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MESSAGE, _BUFFER = 1, 2  # tags
_EAGER = 4096  # bytes; so little is there when it is told of
_PIECE = 1 << 30  # bytes; before MPI 4 a message has fewer than 2 GiB


class Arrived(NamedTuple):
    """A whole message. Its data are valid until the next is asked for."""

    source: int
    data: memoryview
    buffers: list[memoryview]


class _Coming:
    """A message that is not whole yet."""

    def __init__(self, data: memoryview, request: Any) -> None:
        self.data = data
        self.requests = [request]
        self.buffers: list[memoryview] | None = None  # not known before the message has come


class Wire:
    """The messages of one kind, on a communicator of their own."""

    def __init__(self, world: Any, sizes: Callable[[memoryview], Sequence[int]]) -> None:
        """sizes: returns the size of a message, of which it is given the first piece, and those of the buffers that follow it."""
        from mpi4py import MPI  # which begins it

        self._mpi = MPI
        self._comm = world.Dup()
        self._sizes = sizes
        self._room = memoryview(bytearray(_EAGER))
        self._sending: deque[tuple[Any, Any]] = deque()  # requests, and what they read from
        self._coming: dict[int, deque[_Coming]] = {}
        self._status = MPI.Status()

    def close(self) -> None:
        """Let go of the communicator; every rank does."""
        self._comm.Free()

    @property
    def busy(self) -> bool:
        """Whether something is on its way that moves only while this rank calls self._mpi."""
        return bool(self._sending or self._coming)

    def send(self, rank: int, data: bytes, buffers: Sequence[Any] = ()) -> None:
        """Send a message, and buffers that nobody changes until it has gone."""
        first, *more = pieces(memoryview(data)) if len(data) > _PIECE else (data,)
        self._send(rank, _MESSAGE, first)
        for piece in more:
            self._send(rank, _BUFFER, piece)
        for buffer in buffers:
            for piece in pieces(memoryview(buffer)):
                self._send(rank, _BUFFER, piece)

    def _send(self, rank: int, tag: int, piece: Any) -> None:
        request = self._comm.Isend([piece, self._mpi.BYTE], rank, tag)
        if not request.Test():
            self._sending.append((request, piece))

    def move(self) -> None:
        """Let what is on its way go on."""
        while self._sending and self._sending[0][0].Test():
            self._sending.popleft()
        for queue in self._coming.values():
            self._mpi.Request.Testall(queue[0].requests)

    def receive(self) -> Iterator[Arrived]:
        """Yield the messages that are whole."""
        while self._sending and self._sending[0][0].Test():
            self._sending.popleft()
        status = self._status
        while (message := self._comm.Improbe(self._mpi.ANY_SOURCE, _MESSAGE, status)) is not None:
            size, source = status.Get_count(self._mpi.BYTE), status.Get_source()
            if size <= _EAGER and source not in self._coming:
                message.Recv([self._room, size, self._mpi.BYTE])
                data = self._room[:size]
                if self._sizes(data) == [size]:
                    yield Arrived(source, data, [])
                    continue
                self._begin(source, _Coming(memoryview(bytes(data)), self._mpi.REQUEST_NULL))
            else:
                data = memoryview(bytearray(size))
                self._begin(source, _Coming(data, message.Irecv([data, self._mpi.BYTE])))
            yield from self._whole(source)
        for source in tuple(self._coming):
            yield from self._whole(source)

    def _begin(self, source: int, coming: _Coming) -> None:
        self._coming.setdefault(source, deque()).append(coming)

    def _whole(self, source: int) -> Iterator[Arrived]:
        """Yield the messages of a rank that are whole, up to the first that is not."""
        queue = self._coming.get(source)
        while queue:
            coming = queue[0]
            if coming.buffers is None:
                if not self._mpi.Request.Testall(coming.requests):
                    return
                self._ask_for_buffers(source, coming)
            if not self._mpi.Request.Testall(coming.requests):
                return
            queue.popleft()
            assert coming.buffers is not None
            yield Arrived(source, coming.data, coming.buffers)
        if queue is not None:
            del self._coming[source]

    def _ask_for_buffers(self, source: int, coming: _Coming) -> None:
        first = coming.data
        size, *sizes = self._sizes(first)
        allocated: list[Any] = [self._mpi.buffer.allocate(number) for number in sizes]
        coming.buffers = [memoryview(room) for room in allocated]
        rooms = [piece for buffer in coming.buffers for piece in pieces(buffer)]
        if size > len(first):
            coming.data = memoryview(bytearray(size))
            coming.data[: len(first)] = first
            rooms[:0] = pieces(coming.data[len(first) :])
        coming.requests = [self._comm.Irecv([room, self._mpi.BYTE], source, _BUFFER) for room in rooms]


def pieces(data: memoryview) -> list[memoryview]:
    """Return bytes as they are sent."""
    return [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]
