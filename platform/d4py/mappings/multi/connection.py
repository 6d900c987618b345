# SPDX-License-Identifier: Apache-2.0
"""One socket between two processes: whole messages in, whole messages out, never blocking."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from d4py.errors import StateError
from d4py.items.codec import HEAD, VERSION

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

ROOM = 1 << 18  # bytes that the connections of one owner share to read into


class Connection:
    """A non-blocking stream socket with what was read but is not whole yet, and what could not be written yet."""

    __slots__ = ("_gone", "_large", "_left", "_out", "_rest", "_room", "closed", "socket")

    def __init__(self, sock: socket.socket, room: bytearray) -> None:
        """room: where it reads, one connection at a time; a process may have thousands, few of them with something to say."""
        sock.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self.socket = sock
        self.closed = False  # nothing more will come in
        self._gone = False  # nobody takes what is sent; what the other side sent before may still be unread
        self._room = room
        self._rest = b""  # the start of a message that is not whole
        self._large: bytearray | None = None  # a message that does not fit the room, as far as it has come
        self._left = 0  # how far that is
        self._out: list[memoryview] = []

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self.closed = True
        self.socket.close()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._out)

    def send(self, *parts: bytes) -> None:
        """Write a message as far as the socket takes it; the rest waits for `flush`."""
        if self._gone:
            return
        if self._out:
            self._out.extend(memoryview(part) for part in parts if part)
            self.flush()
            return
        try:
            sent = self.socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            self._gone = True
            return
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
            else:
                self._out.append(memoryview(part)[sent:])
                sent = 0

    def flush(self) -> None:
        """Write what waits, as far as the socket takes it."""
        while self._out:
            try:
                sent = self.socket.send(self._out[0])
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self._gone = True
                self._out = []
                return
            if sent < len(self._out[0]):
                self._out[0] = self._out[0][sent:]
            else:
                del self._out[0]

    def receive(self) -> Iterator[tuple[Sequence[int], memoryview]]:
        """Yield the whole messages that have come; a body is valid until the next one is asked for. Sets `closed` at the end of the stream."""
        while not self.closed:
            if self._large is None:
                view, left = memoryview(self._room), len(self._rest)
                view[:left] = self._rest
            else:
                view, left = memoryview(self._large), self._left
            try:
                number = self.socket.recv_into(view[left:])
            except BlockingIOError:
                return
            except ConnectionResetError:
                number = 0
            if number == 0:
                self.closed = True
                return
            stop = left + number
            start = yield from self._messages(view[:stop])
            self._keep(view[start:stop])
            if stop < len(view):
                return

    def _messages(self, view: memoryview) -> Generator[tuple[Sequence[int], memoryview], None, int]:
        """Yield the whole messages; return where what is not whole begins."""
        start = 0
        while len(view) - start >= HEAD.size:
            head = HEAD.unpack_from(view, start)
            if head[1] != VERSION:
                raise StateError(
                    f"A message has wire format {head[1]}, not {VERSION}.", hint="Use one d4py in all processes."
                )
            end = start + HEAD.size + head[0]
            if end > len(view):
                break
            body = view[start + HEAD.size : end]
            start = end
            yield head, body
        return start

    def _keep(self, rest: memoryview) -> None:
        """Keep what is not whole: in a buffer of its size where the room is too small for it."""
        needed = HEAD.size + HEAD.unpack_from(rest)[0] if len(rest) >= HEAD.size else 0
        if needed <= ROOM:
            self._rest, self._large = bytes(rest), None
        elif self._large is None:
            self._rest, self._large, self._left = b"", bytearray(needed), len(rest)
            self._large[: self._left] = rest
        else:
            self._left = len(rest)
