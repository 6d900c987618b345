# SPDX-License-Identifier: Apache-2.0
"""Ports for servers that tests start."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on, none of which the kernel gives to a connection before they are listened on."""
    found: list[int] = []
    while len(found) < number:
        port = 15_000 + secrets.randbelow(15_000)  # below those of connections and of services
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("", port))
            found.extend({port} - {*found})
    return found
