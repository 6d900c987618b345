# SPDX-License-Identifier: Apache-2.0
"""An API server behind something that answers anything: nothing of the operator dies of it unseen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import Mock

import pytest
from kubernetes import client
from tests.operator.hands import eventually

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ClusterError
from d4py_operator.cluster.informer import Informer
from d4py_operator.cluster.lease import Lease
from d4py_operator.cluster.store import Store
from d4py_operator.objects import Key
from d4py_operator.operator import Operator

ODD = [
    b"", b"null", b"[]", b'"x"', b"3", b"<html>", b"\xff", b"{}", b'{"spec": 3}', b'{"spec": {"holderIdentity": "a", "leaseDurationSeconds": "x"}}',
    b'{"spec": {"leaseTransitions": []}, "items": null}', b'{"items": [null], "metadata": {}}', b'{"items": [], "metadata": null}', b'{"resources": 3}',
]  # fmt: skip
NO_OBJECT = ODD[:7]


class Proxy:
    """Answers every request with the same."""

    def __init__(self) -> None:
        self.body, self.asked = b"", 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.asked += 1
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Length", str(len(proxy.body)))
                self.end_headers()
                self.wfile.write(proxy.body)

            def do_PUT(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    found = Proxy()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def api(proxy: Proxy) -> Iterator[Api]:
    found = client.Configuration()
    found.host = f"http://127.0.0.1:{proxy.server.server_address[1]}"
    odd = Api(found)
    yield odd
    odd.close()


@pytest.mark.parametrize("body", NO_OBJECT)
def test_what_is_no_object_is_told_as_that(api: Api, proxy: Proxy, body: bytes) -> None:
    proxy.body = body

    with pytest.raises(ClusterError, match="with 200 and no object"):
        api.get(Key("Job", "lab", "a"))


@pytest.mark.parametrize("body", ODD)
def test_whoever_keeps_the_lease_asks_again(api: Api, proxy: Proxy, body: bytes) -> None:
    proxy.body, before, ending = body, proxy.asked, threading.Event()
    lease = Lease(api, "lab", "me", seconds=0.05)
    thread = threading.Thread(target=lease.keep, args=(ending,))
    thread.start()

    eventually(lambda: proxy.asked > before + 3 or not thread.is_alive(), "it to ask")

    assert thread.is_alive()
    ending.set()
    thread.join(10)
    lease.release()


@pytest.mark.parametrize("body", ODD)
def test_so_does_whoever_lists_and_watches(api: Api, proxy: Proxy, body: bytes) -> None:
    proxy.body, before = body, proxy.asked
    informer = Informer(api, Store(), "Workflow", "lab")
    informer.start()

    eventually(lambda: proxy.asked > before + 1 or not informer.is_alive(), "it to ask")

    assert informer.is_alive()
    informer.end()
    informer.join(10)


@pytest.mark.parametrize("body", ODD)
def test_what_a_cluster_serves_is_asked_again_later(api: Api, proxy: Proxy, body: bytes) -> None:
    proxy.body = body
    operator = Operator(api, Lease(api, "lab", "me"))

    operator._discover()

    assert operator.served() == frozenset()


class Dies:
    """A lease whose keeper ends at once."""

    fresh = False

    def keep(self, ending: threading.Event) -> None:
        """End."""


def test_a_thread_that_has_ended_is_told_to_whoever_asks_for_its_health() -> None:
    operator = Operator(Mock(), Dies())  # type: ignore[arg-type]
    assert operator.unwell() == ""

    operator._holder.start()
    operator._holder.join()

    assert operator.unwell() == "lease has ended"
