# SPDX-License-Identifier: Apache-2.0
"""How the nursery is started, and what it is given to load."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import NotPicklable
from d4py.mappings import allocator
from d4py.mappings.multi import nursery
from d4py.mappings.multi.orders import Load
from d4py.mappings.numerics import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.graph.graph import WorkflowGraph
    from d4py.mappings.base import Enactment


class Begun(NamedTuple):
    """A nursery on its way: the line to it, on which it first says `Loaded`, and what waits for its end."""

    line: socket.socket
    wait: Callable[[], object]


def forkable() -> bool:
    """Whether this process has one thread; whatever locks another one held, a child would wait for them for ever."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:  # macOS
        return False


def fork(load: Load, graph: WorkflowGraph) -> Begun:
    """Fork the nursery from this process, with the workflow as it is loaded here."""
    mine, theirs = socket.socketpair()
    nursery.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        return Begun(mine, partial(os.waitpid, pid, 0))
    try:
        mine.close()
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        os.close(nowhere)
        allocator.keep_large_blocks(always=True)
        nursery.Nursery(theirs).grow(load, graph)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        nursery.flush()
        os._exit(0)  # what follows in this program is the parent's business


def spawn(load: Load, workers: int) -> Begun:
    """Start the nursery as a new program that loads the workflow itself. Its environment is that of all workers: one BLAS thread each, and an allocator that keeps large blocks."""
    import subprocess

    mine, theirs = socket.socketpair()
    environment = dict(os.environ)
    if workers > 1:
        for name in THREADS:
            environment.setdefault(name, "1")
    process = subprocess.Popen(
        [sys.executable, "-c", "from d4py.mappings.multi.nursery import main; main()", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env={**allocator.ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    with suppress(BrokenPipeError):  # it is dead already; the end of the line says so
        nursery.send(mine, load)
    return Begun(mine, process.wait)


def load_order(enactment: Enactment, *, forked: bool) -> Load:
    """Return what a nursery is told. Raises NotPicklable where the graph is this program's own and cannot leave it.

    forked: the nursery has the graph already.
    """
    workflow = enactment.workflow
    return Load(
        source=workflow.source,
        pickled=b"" if workflow.source or forked else _by_value(workflow.graph),
        digest=workflow.digest,
        plan=enactment.plan,
        path=list(sys.path),
        finders=[finder for finder in sys.meta_path if getattr(finder, "travels", False)],
        argv=list(sys.argv),
        folder=str(enactment.folder.path),
        on_error={pe.id or "": str(pe.on_error) for pe in workflow.graph.pes},
        terms=enactment.terms,
    )


def _by_value(graph: WorkflowGraph) -> bytes:
    """Pickle a graph that was drawn in a script or a notebook, code included."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(graph, protocol=5)
    except Exception as error:
        for pe in graph.pes:
            for name, value in vars(pe).items():
                try:
                    cloudpickle.dumps(value)
                except Exception as own:
                    raise NotPicklable(
                        f"PE {pe.id!r} cannot be sent to a worker: attribute {name!r} cannot be pickled ({own}).",
                        hint="Make it in preprocess.",
                    ) from None
        raise NotPicklable(
            f"The graph cannot be sent to a worker: {error}.", hint="Keep the workflow in a file, and name the file."
        ) from error
    return data
