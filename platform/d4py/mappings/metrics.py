# SPDX-License-Identifier: Apache-2.0
"""The counters of a run as Prometheus reads them, served on this machine only unless a pod is to be asked, from a thread that reads the board."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from d4py.errors import UsageError

if TYPE_CHECKING:
    from d4py.plan import Plan
    from d4py.runs import State
    from d4py.runs.board import Board

HOST = "127.0.0.1"
CONTENT = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_COUNTERS = (("read", "Items read"), ("written", "Items written"), ("quarantined", "Items put into quarantine"))


class Metrics:
    """An observer that serves `/metrics`. Raises UsageError where the port is taken, before anything has run."""

    def __init__(self, port: int, host: str = HOST) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(self))
        except OSError as error:
            raise UsageError(
                f"Port {port} of {host} cannot be used for metrics: {error.strerror}.",
                hint="Choose another, or 0 for any that is free.",
            ) from None
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}/metrics"
        self._run: tuple[Plan, Board, State] | None = None
        self._reading = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, plan: Plan, board: Board, state: State) -> None:
        """Serve the counters of a run."""
        self._run = plan, board, state
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="d4py-metrics", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Stop serving; the board is not read any more."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        with self._reading:
            self._run = None
        self._server.server_close()

    def text(self) -> str:
        """Return what is served now."""
        with self._reading:
            return "" if self._run is None else "".join(f"{line}\n" for line in exposition(*self._run))


def exposition(plan: Plan, board: Board, state: State) -> Iterator[str]:
    """Yield the lines of Prometheus' text format."""
    counts = [(instance, board.counts(instance.rank)) for instance in plan.instances]
    for column, (kind, told) in enumerate(_COUNTERS):
        name = f"d4py_items_{kind}_total"
        yield f"# HELP {name} {told} by an instance of a PE; set back where the run goes back to a checkpoint."
        yield f"# TYPE {name} counter"
        for instance, count in counts:
            yield f'{name}{{pe="{instance.pe.translate(_ESCAPES)}",instance="{instance.number}"}} {count[column]}'
    yield "# HELP d4py_generation How often the run was started or set back."
    yield "# TYPE d4py_generation gauge"
    yield f"d4py_generation {state.generation}"
    yield "# HELP d4py_checkpoint The last checkpoint that is committed."
    yield "# TYPE d4py_checkpoint gauge"
    yield f"d4py_checkpoint {state.epoch}"
    yield "# HELP d4py_up Whether the run goes on."
    yield "# TYPE d4py_up gauge"
    yield f'd4py_up{{run="{state.run.translate(_ESCAPES)}",workflow="{state.workflow.translate(_ESCAPES)}",mapping="{state.mapping}"}} 1'


def _handler(metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET /metrics."""

        def do_GET(self) -> None:
            """Send the counters."""
            found = self.path.partition("?")[0] in ("/", "/metrics")
            body = metrics.text().encode() if found else b"See /metrics.\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", CONTENT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet: stderr shows progress."""

    return Handler
