# SPDX-License-Identifier: Apache-2.0
"""Lines that come over a socket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from d4py.connectors.address import Address, Patience
from d4py.errors import BadRecord, ParameterError
from d4py.graph.pe import ProducerPE

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

_CHUNK = 64 << 10  # bytes a read


class SocketSource(ProducerPE):
    """Connects, and writes each line that comes, as text without its newline.

    What it has written is kept in the run's folder, so a run that goes back reads it again from there. What was under way when a process
    died (sent by the other end, not yet written here) is lost; see `ResumableSocketSource`.
    """

    live = True
    replay = "spool"

    def __init__(self, address: str, *, reconnect: bool = True, patience: float = 60.0, longest: int = 1 << 20) -> None:
        """Read from "host:port" or "unix:/path".

        reconnect: connect again when the other end closes; False: the stream ends then. After an error it connects again in either case.
        patience: seconds without a connection after which the source fails. longest: bytes that a line may have. Bytes that are no UTF-8
        become surrogates (PEP 383), which `encode("utf-8", "surrogateescape")` makes bytes again.
        """
        super().__init__()
        if patience < 0:
            raise ParameterError(f"patience = {patience!r} is no time.", hint="Give seconds, such as patience=60.")
        self.address = Address(address)
        self.reconnect = reconnect
        self.patience = patience
        self.longest = longest

    def greet(self, connection: socket.socket) -> None:
        """Say what the other end waits for, if it does."""

    def items(self) -> Generator[str | None, None, None]:
        """Yield lines, None while there are none."""
        patience = Patience(self.address, self.patience)
        while (error := (yield from self._connection(patience))) is not None:
            yield from _pause(patience.wait(error))

    def _connection(self, patience: Patience) -> Generator[str | None, None, OSError | None]:
        """Yield the lines of one connection; return why there is to be another, None if there is not."""
        try:
            with self.address.connect() as connection:
                self.greet(connection)
                connection.setblocking(False)
                yield from self._lines(connection, patience)
        except OSError as error:
            if patience.trusting:
                self.log(f"{self.address.text}: no connection: {error.strerror or error}; trying again")
            return error
        return ConnectionResetError("it closes each connection at once") if self.reconnect else None

    def _lines(self, connection: socket.socket, patience: Patience) -> Generator[str | None, None, None]:
        """Yield the lines of one connection until the other end closes it. Raises OSError when it breaks."""
        rest = b""
        while True:
            try:
                data = connection.recv(_CHUNK)
            except BlockingIOError:
                yield None
                continue
            if not data:
                break
            patience.worked()
            *whole, rest = (rest + data).split(b"\n")
            for raw in whole:
                yield self._text(raw)
            if len(rest) > self.longest:
                raise BadRecord(
                    f"{self.address.text}: a line has more than {self.longest} bytes.", hint="Give longest=BYTES."
                )
        if rest:
            last = self._unfinished(rest)
            if last is not None:
                yield last

    def _text(self, raw: bytes) -> str:
        return raw.decode("utf-8", "surrogateescape").removesuffix("\r")

    def _unfinished(self, rest: bytes) -> str | None:
        """What came before the other end closed, without a newline, is a line."""
        return self._text(rest)

    def _process(self, inputs: Any) -> Any:
        return self.items()


class ResumableSocketSource(SocketSource):
    """A `SocketSource` whose other end can send again: it is told from which line on. Nothing is kept here, and nothing lost."""

    replay = "rerun"

    def __init__(
        self,
        address: str,
        *,
        ask: str = "{line}\n",
        reconnect: bool = True,
        patience: float = 60.0,
        longest: int = 1 << 20,
    ) -> None:
        """ask: what is sent on each new connection; {line} stands for how many lines were read so far. The rest is as of `SocketSource`."""
        super().__init__(address, reconnect=reconnect, patience=patience, longest=longest)
        try:
            ask.format(line=0)
        except (IndexError, KeyError, ValueError) as error:
            raise ParameterError(
                f"ask = {ask!r} cannot be filled in ({error!r}).", hint="Write '{line}\\n' or the like."
            ) from None
        self.ask = ask
        self.line = 0

    def greet(self, connection: socket.socket) -> None:
        """Ask for what comes next."""
        connection.sendall(self.ask.format(line=self.line).encode())

    def offset(self) -> int:
        """Return how many lines were read."""
        return self.line

    def seek(self, offset: int) -> None:
        """Go on behind so many."""
        self.line = offset

    def snapshot(self) -> None:
        """Keep nothing besides the number of lines."""

    def restore(self, state: Any) -> None:
        """There is nothing besides it."""

    def _text(self, raw: bytes) -> str:
        self.line += 1
        return super()._text(raw)

    def _unfinished(self, rest: bytes) -> None:
        """A cut line is asked for again."""


def _pause(seconds: float) -> Generator[None, None, None]:
    until = time.monotonic() + seconds
    yield None
    while time.monotonic() < until:
        yield None
