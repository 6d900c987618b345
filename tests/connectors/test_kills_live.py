# SPDX-License-Identifier: Apache-2.0
"""Sockets, folders, and files that grow while they are read, under real kills: what a sink holds at the end is what the source had, each once."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import d4py
from d4py.runs import Folder

ITEMS = 300
VICTIMS = (150, 280)
PATIENCE_S = 60.0
WORKFLOW = """
import os
import signal
import time
from pathlib import Path

import d4py
from d4py.connectors import *

HERE = Path(__file__).parent


@d4py.iterative
def row(value):
    number = int(Path(value).stem)
    if number in {victims} and not (HERE / f"killed-{{number}}").exists():
        (HERE / f"killed-{{number}}").touch()
        os.kill({pid}, signal.SIGKILL)
        time.sleep(60)
    time.sleep(0.002)
    return {shape}


source = {source}
workflow = source >> row() >> {sink}
"""
RESUMABLE = 'ResumableSocketSource(f"unix:{HERE}/in.sock", reconnect=False)'
FOLLOWED = 'LinesSource(HERE / "in.txt", live=True, every=0.01)'
WATCHED = 'FolderSource(HERE / "in", live=True, every=0.02)'
FOLDER = 'FolderSource(HERE / "in")'
JSON = ('JsonLinesSink(HERE / "out.jsonl")', '{"number": number}')
FILES = ('FolderSink(HERE / "out")', "(str(number), str(number))")
SOCKET = ('SocketSink(f"unix:{HERE}/out.sock", numbered=True)', "str(number)")


def flow(here: Path, source: str, sink: tuple[str, str], *, pid: str = "os.getpid()") -> str:
    path = here / "wf.py"
    path.write_text(WORKFLOW.format(victims=set(VICTIMS), source=source, sink=sink[0], shape=sink[1], pid=pid))
    return str(path)


@contextmanager
def served(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Answer each connection to a unix socket, one after another, while the block lasts."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):  # who was killed comes again
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def lines_from(connection: socket.socket) -> None:
    """Send the numbers from the one on that is asked for."""
    first = int(connection.makefile().readline())
    for number in range(first, ITEMS):
        connection.sendall(b"%d\n" % number)


class Received:
    """Takes numbered lines, and drops those that it has."""

    def __init__(self) -> None:
        self.lines: dict[int, int] = {}

    def take(self, connection: socket.socket) -> None:
        whole = connection.makefile("rb").read()
        for line in whole.splitlines():
            number, value = line.split(b"\t")
            assert self.lines.setdefault(int(number), int(value)) == int(value), "a number stands for one line"


def run(path: str, here: Path) -> None:
    result = d4py.run(path, "multi", processes=3, checkpoint=0.02, run_dir=here / "run")
    assert result.exit_code == 0
    assert len(result.warnings) == len(VICTIMS), "each death was noticed"


def test_a_socket_that_can_send_again_loses_nothing_to_the_death_of_any_worker(tmp_path: Path) -> None:
    killers = {"itself": "os.getpid()", "the source": "int((HERE / 'source').read_text())"}
    for killed, pid in killers.items():
        here = tmp_path / killed
        here.mkdir()
        path = flow(here, RESUMABLE, FILES, pid=pid)
        if killed == "the source":
            text = Path(path).read_text()
            Path(path).write_text(
                text
                + 'source.greet = lambda c, g=source.greet: ((HERE / "source").write_text(str(os.getpid())), g(c))[1]\n'
            )
        with served(here / "in.sock", lines_from):
            run(path, here)

        assert {file.name: file.read_text() for file in (here / "out").iterdir()} == {
            str(number): str(number) for number in range(ITEMS)
        }


def test_files_of_a_folder_reach_a_socket_once_each_by_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(ITEMS):
        (tmp_path / "in" / f"{number}.dat").touch()
    received = Received()

    with served(tmp_path / "out.sock", received.take):
        run(flow(tmp_path, FOLDER, SOCKET), tmp_path)

    assert sorted(received.lines) == list(range(ITEMS))
    assert sorted(received.lines.values()) == list(range(ITEMS))


def append(here: Path) -> None:
    with open(here / "in.txt", "a") as file:
        for number in range(ITEMS):
            file.write(f"{number}\n")
            file.flush()
            time.sleep(0.001)  # as fast as it is read: the deaths come in the middle


def drop(here: Path) -> None:
    for number in range(ITEMS):
        (here / "in" / f"{number}.dat").touch()
        time.sleep(0.001)  # the same


@pytest.mark.parametrize(("source", "feed"), [(FOLLOWED, append), (WATCHED, drop)], ids=["file", "folder"])
def test_what_grows_while_it_is_read_is_read_once(source: str, feed: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in.txt").touch()

    def held() -> list[int]:
        path = tmp_path / "out.jsonl"
        return [json.loads(line)["number"] for line in path.read_text().splitlines()] if path.exists() else []

    def feed_and_cancel() -> None:
        feed(tmp_path)
        until = time.monotonic() + PATIENCE_S
        while len(held()) < ITEMS and time.monotonic() < until:
            time.sleep(0.02)
        Folder(tmp_path / "run").request("cancel")

    feeder = threading.Thread(target=feed_and_cancel)
    feeder.start()
    run(flow(tmp_path, source, JSON), tmp_path)
    feeder.join()

    assert sorted(held()) == list(range(ITEMS))
