# SPDX-License-Identifier: Apache-2.0
"""Messages over one socket: whole, in order, however the stream is cut; and what an idle connection costs."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from d4py.items import codec
from d4py.mappings.multi.connection import ROOM, Connection


@pytest.fixture
def room() -> bytearray:
    return bytearray(ROOM)


@pytest.fixture
def pair(room: bytearray) -> Iterator[tuple[socket.socket, Connection]]:
    raw, other = socket.socketpair()
    connection = Connection(other, room)
    yield raw, connection
    raw.close()
    connection.close()


def bodies(connection: Connection) -> list[bytes]:
    return [codec.decode_control(body) for _, body in connection.receive()]


def test_the_last_words_of_a_dead_process_are_heard_though_nothing_can_be_said_to_it(
    pair: tuple[socket.socket, Connection],
) -> None:
    raw, connection = pair
    raw.sendall(codec.encode_control(b"last"))
    raw.close()

    connection.send(codec.encode_control(b"are you there?"))

    assert bodies(connection) == [b"last"]
    assert bodies(connection) == []
    assert connection.closed


def test_a_message_cut_anywhere_comes_whole(pair: tuple[socket.socket, Connection]) -> None:
    raw, connection = pair
    first, second = codec.encode_control(b"first"), codec.encode_control(b"second" * 100)
    stream = first + second

    for cut in range(1, len(stream)):
        raw.sendall(stream[:cut])
        came = bodies(connection)
        raw.sendall(stream[cut:])
        came += bodies(connection)
        assert came == [b"first", b"second" * 100], cut


def test_connections_that_share_a_room_do_not_mix_what_is_not_whole_yet(room: bytearray) -> None:
    ends = [socket.socketpair() for _ in range(2)]
    connections = [Connection(mine, room) for _, mine in ends]
    messages = [codec.encode_control(b"a" * 1000), codec.encode_control(b"b" * 1000)]

    for at in range(0, len(messages[0]), 100):
        for (raw, _), message in zip(ends, messages, strict=True):
            raw.sendall(message[at : at + 100])
        came = [bodies(connection) for connection in connections]

    assert came == [[b"a" * 1000], [b"b" * 1000]]
    for (raw, _), connection in zip(ends, connections, strict=True):
        raw.close()
        connection.close()


def test_a_message_larger_than_the_room_comes_whole_between_small_ones(
    pair: tuple[socket.socket, Connection],
) -> None:
    raw, connection = pair
    raw.setblocking(False)
    sender = Connection(raw, bytearray(ROOM))
    large = bytes(range(256)) * (3 * ROOM // 256)
    came: list[bytes] = []

    for value in (b"before", large, b"after"):
        sender.send(codec.encode_control(value))
    while len(came) < 3:
        came += bodies(connection)
        sender.flush()

    assert came == [b"before", large, b"after"]


def test_an_idle_connection_holds_no_buffer_of_its_own(pair: tuple[socket.socket, Connection], room: bytearray) -> None:
    raw, connection = pair
    raw.sendall(codec.encode_control(b"x" * 10_000))
    assert bodies(connection) == [b"x" * 10_000]

    held = [value for value in (getattr(connection, name) for name in Connection.__slots__) if value is not room]
    assert sum(sys.getsizeof(value) for value in held) < 1000


def test_the_end_of_the_stream_closes_it_after_the_last_message(pair: tuple[socket.socket, Connection]) -> None:
    raw, connection = pair
    raw.sendall(codec.encode_control(b"last"))
    raw.close()

    assert bodies(connection) == [b"last"]
    assert (bodies(connection), connection.closed) == ([], True)
