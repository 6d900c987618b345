# SPDX-License-Identifier: Apache-2.0
"""One socket between two processes: whole messages in, whole messages out, never blocking."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from d4py.errors import StateError
from d4py.items.codec import HEAD, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_READ = 1 << 18


class Connection:
    """A non-blocking stream socket with what was read but is not whole yet, and what could not be written yet."""

    __slots__ = ("_out", "_start", "_stop", "_stored", "closed", "socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self.socket = sock
        self.closed = False
        self._stored = bytearray(_READ)
        self._start = self._stop = 0
        self._out: list[memoryview] = []

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._out)

    def send(self, *parts: bytes) -> None:
        """Write a message as far as the socket takes it; the rest waits for `flush`."""
        if self._out:
            self._out.extend(memoryview(part) for part in parts if part)
            self.flush()
            return
        try:
            sent = self.socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
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
                self.closed = True
                self._out = []
                return
            if sent < len(self._out[0]):
                self._out[0] = self._out[0][sent:]
            else:
                del self._out[0]

    def receive(self) -> Iterator[tuple[Sequence[int], memoryview]]:
        """Yield the whole messages that have come; a body is valid until the next one is asked for. Sets `closed` at the end of the stream."""
        while True:
            room = len(self._stored) - self._stop
            try:
                number = self.socket.recv_into(memoryview(self._stored)[self._stop :])
            except BlockingIOError:
                return
            except ConnectionResetError:
                number = 0
            if number == 0:
                self.closed = True
                return
            self._stop += number
            yield from self._messages()
            self._make_room()
            if number < room:
                return

    def _messages(self) -> Iterator[tuple[Sequence[int], memoryview]]:
        view = memoryview(self._stored)
        while self._stop - self._start >= HEAD.size:
            head = HEAD.unpack_from(self._stored, self._start)
            if head[1] != VERSION:
                raise StateError(
                    f"A message has wire format {head[1]}, not {VERSION}.", hint="Use one d4py in all processes."
                )
            end = self._start + HEAD.size + head[0]
            if end > self._stop:
                return
            body = view[self._start + HEAD.size : end]
            self._start = end
            yield head, body

    def _make_room(self) -> None:
        """Move what is not whole to the front; grow where one message needs more than there is."""
        left = self._stop - self._start
        needed = _READ
        if left >= HEAD.size:
            needed = max(needed, HEAD.size + HEAD.unpack_from(self._stored, self._start)[0] + 1)
        if needed > len(self._stored):
            grown = bytearray(needed)
            grown[:left] = self._stored[self._start : self._stop]
            self._stored = grown
        elif self._start:
            self._stored[:left] = self._stored[self._start : self._stop]
        self._start, self._stop = 0, left
