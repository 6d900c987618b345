# SPDX-License-Identifier: Apache-2.0
"""Lines for a socket."""

from __future__ import annotations

import shutil
import socket
import time
from typing import TYPE_CHECKING, Any

from d4py.connectors.address import Address, Patience
from d4py.connectors.sink import CommittingSink
from d4py.errors import BadRecord, ConnectorError

if TYPE_CHECKING:
    from d4py.connectors.staging import Chunk


class SocketSink(CommittingSink):
    """Sends the lines that a checkpoint covers over a connection of their own, and waits until the other end has closed it: then it has them.

    Lines of a checkpoint are sent again if a death or a broken connection leaves open whether they came. With `numbered` the other end
    can tell: it drops the numbers that it has.
    """

    def __init__(self, address: str, *, numbered: bool = False, patience: float = 60.0) -> None:
        """Write to "host:port" or "unix:/path".

        numbered: put before each line its number in the run, from 0, and a tab. patience: seconds without success after which the sink
        fails; a `resume` tries again.
        """
        self.address = Address(address)
        super().__init__(address)
        self.numbered = numbered
        self.patience = patience

    def encode(self, value: Any) -> bytes:
        """Return the line."""
        if not isinstance(value, (str, bytes)) or (b"\n" if isinstance(value, bytes) else "\n") in value:  # type: ignore[operator]
            raise BadRecord(
                f"{self.target}: {value!r:.60} is not one line.", hint="Write str or bytes without a newline in it."
            )
        line = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        return b"%d\t%s\n" % (self.staging.items, line) if self.numbered else line + b"\n"

    def let_go(self, chunk: Chunk) -> None:
        """Send a chunk, and try again while patience lasts."""
        if not chunk.there:
            return  # it was removed once it had come
        patience = Patience(self.address, self.patience)
        while True:
            try:
                self._send(chunk)
                return
            except ConnectorError:
                raise
            except OSError as error:
                time.sleep(patience.wait(error))

    def _send(self, chunk: Chunk) -> None:
        with self.address.connect() as connection:
            connection.settimeout(max(1.0, self.patience))
            with chunk.open() as staged, connection.makefile("wb") as file:
                shutil.copyfileobj(staged, file, 64 << 10)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1024):
                pass  # whatever it answers; it closes when it has read all
