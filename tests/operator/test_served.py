# SPDX-License-Identifier: Apache-2.0
"""Whether a cluster has a kind that it may lack: as a server tells it that loses a definition, gets it back, or is away for a moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes import client
from tests.operator.hands import eventually

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.informer import Informer
from d4py_operator.cluster.lease import Lease
from d4py_operator.cluster.store import Store
from d4py_operator.objects import MANAGED_BY, MANAGER, WORKFLOW, Key, Object
from d4py_operator.operator import OPTIONAL, Operator


def job(name: str, version: int = 1) -> Object:
    labels = {MANAGED_BY: MANAGER, WORKFLOW: "demo"}
    metadata = {
        "name": name,
        "namespace": "lab",
        "uid": f"uid-of-{name}",
        "resourceVersion": str(version),
        "labels": labels,
    }
    return {"metadata": metadata, "spec": {"runPolicy": {}}}


class Server:
    """An API server of one kind."""

    def __init__(self) -> None:
        self.status = 200
        self.things, self.version = [job("demo-1")], 10
        self.answers: list[int] = []
        self._lines: list[bytes] = []  # that its watch is to tell
        self._changed = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status = server.status
                server.answers.append(status)
                self.send_response(status)
                if status == 200 and "watch=1" in self.path:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for line in server.lines():
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    return
                # A definition that is not there is told as a line of text.
                body = json.dumps(server.said(self.path)).encode() if status == 200 else b"page not found\n"
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.host = f"http://127.0.0.1:{self._http.server_address[1]}"

    def lines(self) -> Iterator[bytes]:
        """Yield what a watch tells, until the server becomes another; then nothing, which ends it."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self.status != 200)
                line = self._lines.pop(0) if self._lines else b""
            yield line
            if not line:
                return

    def said(self, path: str) -> Any:
        if "mpijobs" not in path:
            return {"resources": [{"name": "mpijobs"}]}
        return {"items": self.things, "metadata": {"resourceVersion": str(self.version)}}

    def becomes(self, status: int) -> None:
        """Answer so from now on; whoever watches is cut off."""
        with self._changed:
            self.status = status
            self._changed.notify_all()

    def tell(self, kind: str, thing: Object) -> None:
        with self._changed:
            self._lines.append(json.dumps({"type": kind, "object": thing}).encode() + b"\n")
            self._changed.notify_all()

    def close(self) -> None:
        self.becomes(503)
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    found = client.Configuration()
    found.host = server.host
    asked = Api(found)
    yield asked
    asked.close()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def informer(server: Server, api: Api, store: Store) -> Iterator[Informer]:
    """It knows the kind and watches it."""
    found = Informer(api, store, OPTIONAL, "")
    assert found.served is None
    found.start()
    eventually(lambda: found._response is not None, "the watch to be open")
    assert found.served is True
    yield found
    found.end()
    server.becomes(503)
    found.join(20)
    assert not found.is_alive()


def names(store: Store) -> list[str]:
    return [each["metadata"]["name"] for each in store.all(OPTIONAL)]


def test_a_definition_that_goes_is_noticed_and_what_was_known_is_kept(
    server: Server, informer: Informer, store: Store
) -> None:
    """What is back unchanged is as it was: what was dropped would never be taken in again."""
    server.becomes(404)
    eventually(lambda: informer.served is False, "it to be noticed")
    assert (names(store), informer.synced.is_set()) == (["demo-1"], True)

    server.becomes(200)
    eventually(lambda: informer.served, "it to be back")

    assert (names(store), informer.lists) == (["demo-1"], 2)


def test_what_has_gone_with_it_is_known_before_the_kind_is_said_to_be_back(
    server: Server, informer: Informer, store: Store
) -> None:
    """Else an attempt would be taken for running that is lost."""
    heard: list[tuple[str, bool | None]] = []
    store.listeners.append(lambda thing: heard.append((thing["metadata"]["name"], informer.served)))
    server.becomes(404)
    eventually(lambda: informer.served is False, "it to be noticed")

    server.things, server.version = [job("demo-2", 11)], 11
    server.becomes(200)
    eventually(lambda: informer.served, "it to be back")

    assert heard == [("demo-1", False), ("demo-2", False)]
    assert names(store) == ["demo-2"]


@pytest.mark.parametrize("status", [503, 500, 429, 403])
def test_a_server_that_cannot_answer_says_nothing_about_a_kind(
    server: Server, informer: Informer, store: Store, status: int
) -> None:
    """API servers that start anew answer 503 until they know their definitions."""
    server.becomes(status)
    eventually(lambda: server.answers.count(status) >= 2, "it to be asked")
    assert (informer.served, names(store)) == (True, ["demo-1"])
    server.becomes(200)
    server.tell("ADDED", job("demo-2", 11))

    eventually(lambda: names(store) == ["demo-1", "demo-2"], "the watch to go on")

    assert (informer.served, informer.lists) == (True, 1)


def test_an_operator_follows(server: Server, api: Api) -> None:
    operator = Operator(api, Lease(api, "lab", "me"))
    assert operator.served() == frozenset()
    operator._discover()
    (informer,) = operator._informers
    eventually(operator.served, "it to be known")

    server.becomes(404)
    eventually(lambda: not operator.served(), "it to be noticed")
    assert (operator.synced(), operator.unready()) == (True, "")
    server.becomes(200)

    assert eventually(operator.served, "it to be back") == {OPTIONAL}
    operator._discover()
    assert operator._informers == [informer]
    assert operator.store.get(Key(OPTIONAL, "lab", "demo-1")) is not None
    informer.end()
    server.becomes(503)
    informer.join(20)


def test_an_operator_does_not_wait_for_a_kind_that_went_before_it_was_listed(server: Server, api: Api) -> None:
    operator = Operator(api, Lease(api, "lab", "me"))
    said = server.said

    def last(path: str) -> Any:
        server.becomes(404)
        return said(path)

    server.said = last  # type: ignore[method-assign]
    operator._discover()

    eventually(operator.synced, "it to be ready")
    assert (operator.served(), operator.unready()) == (frozenset(), "")
    (informer,) = operator._informers
    assert not informer.synced.is_set()
    informer.end()
    informer.join(20)
