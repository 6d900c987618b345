# SPDX-License-Identifier: Apache-2.0
"""What the stages of a workflow under test and the director of its faults say to each other: one message a packet of a unix socket.

What was sent before a death still arrives, so the journals are kept on the director's side and no dying process or full disk can spoil them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import astuple, dataclass
from typing import Any

_LONGEST = 1 << 16
_line = threading.local()  # the socket of this thread, and of which process it is


@dataclass(frozen=True, slots=True)
class Hello:
    """An instance of a stage begins, in this process."""

    stage: str
    rank: int
    pid: int
    parent: int


@dataclass(frozen=True, slots=True)
class Note:
    """A line of a journal: a stage has read or is about to write a value."""

    stage: str
    verb: str  # "read" or "wrote"
    value: Any


@dataclass(frozen=True, slots=True)
class Visit:
    """An instance is at a mark, and waits for a word."""

    stage: str
    rank: int
    pid: int
    during: str
    number: int


@dataclass(frozen=True, slots=True)
class Take:
    """A source that asks a world for what is next waits for it."""

    stage: str
    pid: int


Message = Hello | Note | Visit | Take
_KINDS: tuple[type[Message], ...] = (Hello, Note, Visit, Take)


def encoded(message: Message) -> bytes:
    """Return a message as a packet."""
    return json.dumps([_KINDS.index(type(message)), *astuple(message)]).encode()


def decoded(packet: bytes) -> Message:
    """Return the message of a packet."""
    kind, *fields = json.loads(packet)
    message: Message = _KINDS[kind](*fields)
    return message


def tell(address: str, message: Message) -> None:
    """Send a message to the director."""
    _socket(address).send(encoded(message))


def ask(address: str, message: Message) -> str:
    """Send a message and wait for the word that answers it. Where the director is gone, the run is, too."""
    line = _socket(address)
    line.send(encoded(message))
    return line.recv(_LONGEST).decode() or "go"


def listen(address: str) -> socket.socket:
    """Return the director's end."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(256)
    return listener


def received(line: socket.socket) -> Message | None:
    """Return the next message of a stage, or nothing where its process is gone."""
    try:
        packet = line.recv(_LONGEST)
    except ConnectionResetError:
        return None
    return decoded(packet) if packet else None


def _socket(address: str) -> socket.socket:
    if getattr(_line, "owner", None) != (os.getpid(), address):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.connect(address)
        _line.owner, _line.socket = (os.getpid(), address), line
    found: socket.socket = _line.socket
    return found
