# SPDX-License-Identifier: Apache-2.0
"""Small pages over HTTP: metrics, and whether the operator is alive and ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from d4py.errors import UsageError

Page = Callable[[], tuple[int, str, str]]  # status, content type, text
PLAIN = "text/plain; charset=utf-8"


def serve(port: int, pages: Mapping[str, Page], *, host: str = "0.0.0.0") -> ThreadingHTTPServer:  # noqa: S104 - probes come from the node
    """Serve pages from a thread. Raises UsageError where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        timeout = 10

        def do_GET(self) -> None:
            """Send a page."""
            page = pages.get(self.path.partition("?")[0])
            status, content, text = page() if page else (404, PLAIN, f"There is {', '.join(pages)}.\n")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise UsageError(f"Port {port} cannot be used: {error.strerror}.", hint="Choose another.") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name=f"http-{port}", daemon=True).start()
    return server


def verdict(check: Callable[[], str]) -> Page:
    """Return a page that says ok, or what is wrong."""

    def page() -> tuple[int, str, str]:
        wrong = check()
        return (503, PLAIN, f"{wrong}\n") if wrong else (200, PLAIN, "ok\n")

    return page
