# SPDX-License-Identifier: Apache-2.0
"""The nursery: a process with one thread that loads the workflow once and forks workers when told to.

A fork costs a few milliseconds where a start of Python with the workflow's imports costs hundreds, so a rewind can afford to begin with new
processes. It reports which of its children died and how; when the supervisor is gone it ends, and the workers end themselves.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import describe
from d4py.engine.link import Failed
from d4py.errors import D4pyError, StateError
from d4py.graph.load import load
from d4py.items import codec
from d4py.mappings.enact import set_policies
from d4py.mappings.multi.orders import Exited, Fork, Interrupt, KillAll, Load, Loaded

if TYPE_CHECKING:
    from d4py.graph.graph import WorkflowGraph

_LENGTH = struct.Struct("<I")
_MOST_DESCRIPTORS = 200  # in one message; the kernel's limit is 253


def send(sock: socket.socket, order: Any, descriptors: list[int] | None = None) -> None:
    """Send an order, with descriptors in bundles behind it."""
    data = pickle.dumps((order, len(descriptors or ())), protocol=5)
    sock.sendall(_LENGTH.pack(len(data)) + data)
    for start in range(0, len(descriptors or ()), _MOST_DESCRIPTORS):
        socket.send_fds(sock, [b"d"], (descriptors or [])[start : start + _MOST_DESCRIPTORS])


def receive(sock: socket.socket) -> tuple[Any, list[int]]:
    """Return an order and its descriptors. Raises EOFError when the other side is gone."""
    (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
    order, number = pickle.loads(_exactly(sock, length))
    descriptors: list[int] = []
    while len(descriptors) < number:
        _, found, _, _ = socket.recv_fds(sock, 1, min(_MOST_DESCRIPTORS, number - len(descriptors)))
        if not found:
            raise EOFError
        descriptors.extend(found)
    return order, descriptors


def _exactly(sock: socket.socket, number: int) -> bytes:
    data = bytearray()
    while len(data) < number:
        chunk = sock.recv(number - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


class Nursery:
    """Children by process id, and the socket to the supervisor."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.children: dict[int, Fork] = {}
        self.load: Load | None = None
        self.graph: WorkflowGraph | None = None
        self.woken, wake = socket.socketpair()
        self.woken.setblocking(False)
        wake.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # These go to the whole process group; what follows from them is decided by the supervisor. Workers inherit this.
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(kind, signal.SIG_IGN)

    def grow(self, load: Load, graph: WorkflowGraph) -> None:
        """Serve with a workflow that is loaded already."""
        self.load, self.graph = load, graph
        self._ready(Loaded())
        self.serve()

    def serve(self) -> None:
        """Obey orders until the supervisor hangs up."""
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        poller.register(self.woken, select.POLLIN)
        try:
            while True:
                ready = dict(poller.poll())
                if self.woken.fileno() in ready:
                    self._drain_wakeups()
                    self._reap(0)
                if self.socket.fileno() in ready:
                    self._obey(*receive(self.socket))
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self._kill_all()

    def _obey(self, order: Any, descriptors: list[int]) -> None:
        match order:
            case Load():
                self._load(order)
            case Fork():
                self._fork(order, descriptors)
            case KillAll():
                self._kill_all()
            case Interrupt(process):
                for pid, child in self.children.items():
                    if child.process == process:
                        os.kill(pid, signal.SIGUSR1)

    def _load(self, order: Load) -> None:
        self.load = order
        sys.argv[:], sys.path[:] = order.argv, order.path
        sys.meta_path[:0] = order.finders
        try:
            if order.source is None:
                self.graph = pickle.loads(order.pickled)
            else:
                workflow = load(order.source)
                if workflow.digest != order.digest:
                    raise StateError(
                        f"The code of {workflow.name!r} changed while the run was starting.", hint="Start it again."
                    )
                self.graph = workflow.graph
            set_policies(self.graph, order.on_error)
            answer = Loaded()
        except D4pyError as error:
            answer = Loaded(error)
        self._ready(answer)

    def _ready(self, answer: Loaded) -> None:
        with suppress(BrokenPipeError):  # the supervisor has given up; what is read next says so
            send(self.socket, answer)
        # Before the first fork, so that no worker has to import it again.
        import d4py.mappings.multi.worker  # noqa: F401

    def _fork(self, order: Fork, descriptors: list[int]) -> None:
        flush()
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for sock in (self.socket, self.woken, self._wake):
                    sock.close()
                from d4py.mappings.multi.worker import work

                assert self.load is not None
                assert self.graph is not None
                work(self.load, self.graph, order, descriptors)
                status = 0
            except Exception as error:  # of its start: what happens later, the worker tells itself
                failure = describe(error, pe="(engine)", instance="(engine)", during="starting a worker")
                os.write(descriptors[0], codec.encode_control(Failed(failure)))
            finally:
                flush()
                os._exit(status)
        self.children[pid] = order
        for descriptor in descriptors:
            os.close(descriptor)

    def _drain_wakeups(self) -> None:
        try:
            while self.woken.recv(1024):
                pass
        except BlockingIOError:
            pass

    def _reap(self, flags: int) -> None:
        while self.children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | flags)
            except ChildProcessError:
                return
            if pid == 0:
                return
            order = self.children.pop(pid, None)
            if order is not None:
                code = os.waitstatus_to_exitcode(status)
                send(self.socket, Exited(order.process, order.generation, code, order.attempt))

    def _kill_all(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        for pid in self.children:
            os.waitpid(pid, 0)
        self.children = {}


def flush() -> None:
    """Write out what was printed. Where that cannot be done, a worker must still end here, not in the nursery's code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed from outside
                stream.flush()
        except BrokenPipeError:
            continue
        except OSError as error:
            with suppress(OSError):
                os.write(2, f"d4py: warning: What PEs printed cannot be written: {error.strerror}.\n".encode())


def main() -> None:
    """Entry of the process: its one argument is the descriptor of the socket to the supervisor."""
    # The interpreter puts the working folder on the path for -c; the order to load brings the path of the supervisor.
    Nursery(socket.socket(fileno=int(sys.argv[1]))).serve()
