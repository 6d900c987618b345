# SPDX-License-Identifier: Apache-2.0
"""What grows while it is read, what comes over a socket, and what appears in a folder."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import d4py
from d4py.connectors import (
    CsvSource,
    FolderSink,
    FolderSource,
    JsonLinesSource,
    LinesSink,
    LinesSource,
    SocketSink,
    SocketSource,
    SqliteSink,
)
from d4py.errors import D4pyError


def followed(
    source: d4py.GenericPE | d4py.WorkflowGraph, acts: dict[str, Callable[[], object]], last: str
) -> list[str]:
    """Run a live source; do what is to follow a value when it has come, and drain the run after the last."""
    seen: list[str] = []

    @d4py.consumer
    def see(value: str) -> None:
        seen.append(value)
        acts.get(value, lambda: None)()
        if value == last:
            os.kill(os.getpid(), signal.SIGINT)

    assert d4py.run(source >> see(), "simple").exit_code == 0
    return seen


def grown(path: Path, text: str) -> Callable[[], object]:
    def grow() -> None:
        with open(path, "a") as file:
            file.write(text)

    return grow


def test_a_followed_file_is_read_as_it_grows_and_a_line_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("a\nb\nc")
    acts = {"b": grown(path, "d\ne\nla"), "e": grown(path, "st\n")}

    assert followed(LinesSource(path, live=True, every=0.01), acts, "last") == ["a", "b", "cd", "e", "last"]


def test_a_followed_file_that_is_rotated_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("a\nb\n")

    def rotate() -> None:
        grown(path, "c\n")()
        path.rename(tmp_path / "log.txt.1")
        path.write_text("d\nlast\n")

    assert followed(LinesSource(path, live=True, every=0.01), {"b": rotate}, "last") == ["a", "b", "c", "d", "last"]


def test_a_followed_folder_gives_each_file_once(tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "1.mseed").write_text("one")

    def add() -> None:
        (folder / "2.mseed").write_text("two")

    names = followed(
        FolderSource(folder, "*.mseed", live=True, every=0.01), {str(folder / "1.mseed"): add}, str(folder / "2.mseed")
    )

    assert [Path(name).name for name in names] == ["1.mseed", "2.mseed"]


def test_files_of_a_folder_sink_appear_whole_and_under_their_names(tmp_path: Path) -> None:
    @d4py.producer
    def stations() -> Iterator[tuple[str, str]]:
        for name in ("UV05", "UV06"):
            yield f"{name}/day.txt", name * 3

    result = d4py.run(stations() >> FolderSink(tmp_path / "out"), "multi", processes=2)

    assert result.exit_code == 0
    found = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.txt")}
    assert found == {"UV05/day.txt": "UV05UV05UV05", "UV06/day.txt": "UV06UV06UV06"}


def test_lines_come_from_a_socket_and_go_to_one(tmp_path: Path) -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as speaker, socket.create_server(("127.0.0.1", 0)) as hearer:

        def speak() -> None:
            peer, _ = speaker.accept()
            with peer:
                peer.sendall(b"first\nsecond\nthird\n")

        def hear() -> None:
            peer, _ = hearer.accept()
            with peer, peer.makefile("rb") as file:
                received.append(file.read())

        threads = [threading.Thread(target=speak), threading.Thread(target=hear)]
        for thread in threads:
            thread.start()
        source = SocketSource(f"127.0.0.1:{speaker.getsockname()[1]}", reconnect=False)
        result = d4py.run(source >> SocketSink(f"127.0.0.1:{hearer.getsockname()[1]}", numbered=True), "simple")
        for thread in threads:
            thread.join(10)

    assert result.exit_code == 0
    assert received == [b"0\tfirst\n1\tsecond\n2\tthird\n"]


@pytest.mark.parametrize(
    ("text", "source", "told"),
    [
        ('{"a": 1}\n{"a": \n', JsonLinesSource, "line 2"),
        ("a,b\n1,2\n1,2,3\n", CsvSource, "line 3"),
    ],
    ids=["json", "csv"],
)
def test_a_bad_record_is_told_with_its_line_and_can_be_set_aside(
    text: str, source: type, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    path.write_text(text)

    failed = d4py.run(source(path) >> d4py.ConsumerPE(), check=False)
    passed = d4py.run(source(path, on_error="quarantine") >> d4py.ConsumerPE(), check=False)

    assert failed.exit_code == 3
    assert told in failed.error
    assert str(path) in failed.error
    assert passed.exit_code == 4


def test_a_file_that_is_not_there_and_a_table_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(D4pyError, match=r"nowhere\.txt"):
        d4py.run(LinesSource(tmp_path / "nowhere.txt") >> d4py.ConsumerPE())
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("CREATE TABLE known (x)")

    @d4py.producer
    def rows() -> Iterator[dict[str, int]]:
        yield {"x": 1}

    with pytest.raises(D4pyError, match=r"unknown.*known"):
        d4py.run(rows() >> SqliteSink(tmp_path / "a.db", "unknown"))


def test_a_sink_does_not_write_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("precious\n")

    @d4py.producer
    def words() -> Iterator[str]:
        yield "new"

    with pytest.raises(D4pyError, match=r"out\.txt exists already"):
        d4py.run(words() >> LinesSink(tmp_path / "out.txt"))
    assert d4py.run(words() >> LinesSink(tmp_path / "out.txt", if_exists="append")).exit_code == 0
    assert (tmp_path / "out.txt").read_text() == "precious\nnew\n"
