# SPDX-License-Identifier: Apache-2.0
"""The supervisor's lines to the workers of one generation, and the memory files that these share."""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from d4py.items import codec
from d4py.items.slots import create_file
from d4py.mappings.multi import nursery
from d4py.mappings.multi.connection import ROOM, Connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from d4py.mappings.multi.orders import Bereft, Join, Place


class Lines:
    """Two to each worker: one for orders and reports, one that is answered whatever the worker's cells are doing."""

    def __init__(self, processes: Iterable[int] = ()) -> None:
        self.controls: dict[int, Connection] = {}
        self.questions: dict[int, socket.socket] = {}
        self._arenas = {process: create_file() for process in processes}
        self._room = bytearray(ROOM)

    @contextmanager
    def opened(self, process: int, ends: Mapping[int, socket.socket]) -> Iterator[list[int]]:
        """Open the lines to a worker; yield the descriptors that go to it. ends: its sockets, by neighbour."""
        control, questions = socket.socketpair(), socket.socketpair()
        self.controls[process] = Connection(control[0], self._room)
        self.questions[process] = questions[0]
        descriptors = [control[1].fileno(), questions[1].fileno(), self._arenas[process]]
        for peer in sorted(ends):
            descriptors += [ends[peer].fileno(), self._arenas[peer]]
        yield descriptors
        control[1].close()
        questions[1].close()

    def lose(self, process: int) -> None:
        """A worker is dead: nobody is at the end of its lines."""
        self.controls.pop(process).close()
        if process in self.questions:
            self.questions.pop(process).close()

    def renew(self, process: int) -> int:
        """Make new memory for a worker that takes the place of another; return its descriptor."""
        os.close(self._arenas.pop(process))
        self._arenas[process] = create_file()
        return self._arenas[process]

    def tell(self, process: int, order: Any) -> None:
        """Send an order, whole. A worker that is being replaced hears of nothing: what stateless cells are told in passing is not missed."""
        connection = self.controls.get(process)
        if connection is None:
            return
        connection.send(codec.encode_control(order))
        while connection.waiting and not connection.closed:
            poller = select.poll()
            poller.register(connection, select.POLLOUT)
            poller.poll(1000)
            connection.flush()

    def ask(self, process: int, question: Place | Bereft | Join, descriptors: list[int] | None = None) -> None:
        """Send what a worker looks at whatever its cells are doing."""
        with suppress(KeyError, BrokenPipeError, ConnectionResetError):  # it has just died: that is heard next
            nursery.send(self.questions[process], question, descriptors)

    def close(self) -> None:
        """Close all: workers that live end."""
        for connection in self.controls.values():
            connection.close()
        for line in self.questions.values():
            line.close()
        for arena in self._arenas.values():
            os.close(arena)
        self.controls, self.questions, self._arenas = {}, {}, {}

    def await_ends(self, seconds: float) -> None:
        """Give workers time to end by themselves, so that what they have open is closed in good order."""
        until = time.monotonic() + seconds
        open_ends: Sequence[Connection] = list(self.controls.values())
        while open_ends and (left := until - time.monotonic()) > 0:
            poller = select.poll()  # select() refuses descriptors above 1,023
            for connection in open_ends:
                poller.register(connection, select.POLLIN)
            poller.poll(left * 1000)
            for connection in open_ends:
                for _ in connection.receive():
                    pass
            open_ends = [connection for connection in open_ends if not connection.closed]
