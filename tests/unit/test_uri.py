# SPDX-License-Identifier: Apache-2.0
"""Files by URI, from a real HTTP server: whole or not at all, once, and told in one line where that cannot be."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from d4py.cli.workflow import inputs_of
from d4py.connectors.uri import beside, fetch, is_uri, put
from d4py.errors import ConnectorError, D4pyError, InputError, UsageError
from d4py.graph.load import find, parameters_of, paths_of

DATA = b"0123456789" * 100_000


class Server(BaseHTTPRequestHandler):
    """Serves one file; breaks off in the middle of it while it is told to."""

    data = DATA
    breaks = False
    got: list[str] = []  # noqa: RUF012 - of the class, on purpose

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.got.append(self.path)
        self.answer()
        if self.path.startswith("/data"):
            self.wfile.write(self.data[: len(self.data) // 2 if self.breaks else None])

    def answer(self) -> None:
        self.send_response(200 if self.path.startswith("/data") else 404)
        self.send_header("Content-Length", str(len(self.data) if self.path.startswith("/data") else 0))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.data, Server.breaks, Server.got = DATA, False, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def files(folder: Path) -> list[str]:
    """Return the names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_under_its_own_name(server: str, tmp_path: Path) -> None:
    first = fetch(f"{server}/data%20one.bin?day=1", tmp_path)
    second = fetch(f"{server}/data%20one.bin?day=1", tmp_path)
    other = fetch(f"{server}/data%20one.bin?day=2", tmp_path)

    assert first.read_bytes() == DATA
    assert first == second != other
    assert first.name == other.name == "data one.bin"
    assert len([path for path in Server.got if path.endswith("day=1")]) == 1


def test_a_file_that_has_changed_is_fetched_anew(server: str, tmp_path: Path) -> None:
    old = fetch(f"{server}/data", tmp_path)
    Server.data = b"new"

    assert fetch(f"{server}/data", tmp_path).read_bytes() == b"new"
    assert old.read_bytes() == DATA


def test_a_transfer_that_breaks_off_leaves_nothing_and_can_be_tried_again(server: str, tmp_path: Path) -> None:
    Server.breaks = True
    with pytest.raises(ConnectorError, match=r"/data cannot be fetched: .*\. Check the address and the network"):
        fetch(f"{server}/data", tmp_path)
    assert files(tmp_path) == []

    Server.breaks = False
    assert fetch(f"{server}/data", tmp_path).read_bytes() == DATA
    assert files(tmp_path) == ["data"]


def test_local_files_and_folders_are_copied_and_written(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.txt").write_text("a")

    folder = fetch(f"file://{tmp_path}/in", tmp_path / "copies")
    put(folder / "deep" / "a.txt", f"file://{tmp_path}/back.txt")

    assert (folder / "deep" / "a.txt").read_text() == "a"
    assert (tmp_path / "back.txt").read_text() == "a"


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("{server}/absent", "/absent cannot be fetched: there is no such file."),
        ("http://127.0.0.1:1/data", "cannot be fetched: "),
        ("memory://x", "memory is of this process alone"),
        ("s3://bucket/x", "s3://bucket/x cannot be reached: "),
        ("nowhere://x", "nowhere://x cannot be reached: "),
        ("file:///absent", "file:///absent cannot be fetched: there is no such file."),
    ],
)
def test_what_cannot_be_fetched_is_told_in_one_line(uri: str, says: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(D4pyError) as error:
        fetch(uri.format(server=server), tmp_path)

    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
    assert error.value.hint


def test_without_fsspec_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)

    with pytest.raises(UsageError, match=r"fsspec is not installed. pip install 'd4py\[staging\]'"):
        fetch("http://127.0.0.1/data", tmp_path)


@pytest.mark.parametrize("value", ["a", "/a/b", "a:b", "://x", "http://", 3, None, Path("x")])
def test_what_is_no_uri(value: object) -> None:
    assert not is_uri(value)


def test_a_file_beside_another() -> None:
    assert beside("s3://bucket/a.b/out.jsonl", ".npz") == "s3://bucket/a.b/out.npz"


CODE = """
from pathlib import Path
import d4py
@d4py.producer
def read(data: Path, more: str | Path = "", name: str = ""): yield data
@d4py.consumer
def keep(value: object, data: Path | None = None): ...
workflow = read(data=Path()) >> keep()
"""
CONFIGURED = """
from pathlib import Path
import d4py
def configure(data: Path, name: str = ""): raise SystemExit("not to be called")
"""


def test_parameters_that_are_paths_are_known_by_their_annotations(tmp_path: Path) -> None:
    (tmp_path / "workflow.py").write_text(CODE)
    (tmp_path / "workflow.toml").write_text('[parameters]\n"read.data" = "http://x/y"\nname = "n"\n')
    (tmp_path / "configured.py").write_text(CONFIGURED)
    source = find(str(tmp_path), parameters={"name": "m"})

    assert paths_of(source) == {"data", "more", "read.data", "read.more", "keep.data"}
    assert parameters_of(source) == {"read.data": "http://x/y", "name": "m"}
    assert paths_of(find(str(tmp_path / "configured.py"))) == {"data"}


def test_input_data_may_be_named_by_uri(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Server.data = b'{"numbers": [{"n": 3}]}'
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert inputs_of(given(f"{server}/data.json")) == {"numbers": [{"n": 3}]}
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_such_data_is_told_by_its_uri(server: str) -> None:
    Server.data = b"{"
    with pytest.raises(InputError, match=rf"The input file '{server}/data.json' is not JSON"):
        inputs_of(given(f"{server}/data.json"))

    with pytest.raises(ConnectorError, match=rf"{server}/other cannot be fetched: there is no such file"):
        inputs_of(given(f"{server}/other"))


def given(uri: str) -> argparse.Namespace:
    return argparse.Namespace(file=uri, data=None, iterations=None)


def test_a_server_that_is_not_there_is_told_from_a_file_that_is_not(server: str, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectorError, match="Connect call failed"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/data", tmp_path)

    with pytest.raises(ConnectorError, match="there is no such file"):
        fetch(f"{server}/absent", tmp_path)
