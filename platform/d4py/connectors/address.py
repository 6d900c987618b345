# SPDX-License-Identifier: Apache-2.0
"""Where a socket is: "host:port", or "unix:/path"."""

from __future__ import annotations

import socket
import time

from d4py.errors import ConnectorError, ParameterError

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 5.0  # seconds between two tries to connect
_ANSWER = 5.0  # seconds that one try may take


class Address:
    """An address that was understood."""

    def __init__(self, text: str) -> None:
        self.text = text
        kind, _, path = text.partition(":")
        host, _, port = text.rpartition(":")
        self.path = path if kind == "unix" else ""
        self.host = host.strip("[]")
        if kind == "unix" and not path:
            raise ParameterError(f"The address {text!r} has no path.", hint="Write unix:/path/of/socket.")
        if kind != "unix" and not (host and port.isdigit() and int(port) < 1 << 16):
            raise ParameterError(f"{text!r} is no address.", hint="Write host:port, or unix:/path/of/socket.")
        self.port = int(port) if not self.path else 0

    def connect(self) -> socket.socket:
        """Connect. Raises OSError."""
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(_ANSWER)
            try:
                connection.connect(self.path)
            except BaseException:
                connection.close()
                raise
            return connection
        connection = socket.create_connection((self.host, self.port), timeout=_ANSWER)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection


class Patience:
    """How long to try again, and when: at growing intervals, since the last time that it worked."""

    def __init__(self, address: Address, seconds: float) -> None:
        self.address = address
        self.seconds = seconds
        self.worked()

    def worked(self) -> None:
        """Begin to count anew."""
        self._since: float | None = None
        self._wait = _FIRST_WAIT

    @property
    def trusting(self) -> bool:
        """Whether it worked the last time."""
        return self._since is None

    def wait(self, error: OSError) -> float:
        """Return how long to wait before the next try. Raises ConnectorError when it was long enough."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since >= self.seconds:
            raise ConnectorError(
                f"{self.address.text}: no connection for {self.seconds:g} s ({error.strerror or error}).",
                hint="Start what listens there, or give it longer with patience=SECONDS; then resume the run.",
            ) from None
        wait, self._wait = self._wait, min(_LONGEST_WAIT, 2 * self._wait)
        return min(wait, max(0.0, self._since + self.seconds - now))
