# SPDX-License-Identifier: Apache-2.0
"""One run of a command: in an empty folder, with its marks in a file, on a terminal and with metrics where that is asked for."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

PATIENCE_S = 300
FETCHED_S = 1.0  # between two fetches of the metrics
# So that Open MPI runs in a container, and more ranks than processors.
AS_ROOT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}
LEFT_OUT = {"PYTHONDONTWRITEBYTECODE", "COLUMNS", "LINES"}  # byte code is kept, as it is where users install

Watch = Callable[[subprocess.Popen[bytes], Path], None]


class WrongRun(RuntimeError):
    """A contestant failed, took too long, or its answer is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a command."""

    code: int
    out: str
    err: str
    began: float  # by the machine's clock
    seconds: float
    marks: list[dict[str, Any]] = field(default_factory=list)


def run(
    command: list[str],
    environment: dict[str, str],
    *,
    watched: bool = False,
    watch: Watch | None = None,
    patience: float = PATIENCE_S,
) -> Ran:
    """Run a command to its end; what it leaves behind is ended too.

    environment: may say where state is kept. watch: called once it runs, with where its marks are; may end it. patience: seconds it may take then.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        marks = Path(scratch) / "marks"
        variables = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        variables |= AS_ROOT | {"BENCH_MARKS": str(marks), "XDG_STATE_HOME": scratch, **environment}
        variables |= {"RAY_USAGE_STATS_ENABLED": "0"}
        over = threading.Event()
        if watched:
            command = [*command, "--metrics", str(_fetched(over))]
            variables["TERM"] = "xterm"
        # Not a pipe: what a command leaves behind would hold it open, and be waited for.
        with open(Path(scratch) / "out", "w+b") as output, open(Path(scratch) / "err", "w+b") as errors:
            terminal = _terminal(over) if watched else errors.fileno()
            began = time.monotonic()
            process = subprocess.Popen(
                command,
                env=variables,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=terminal,
                start_new_session=True,
            )
            try:
                if watch is not None:
                    watch(process, marks)
                process.wait(timeout=patience)
                seconds = time.monotonic() - began
            except subprocess.TimeoutExpired:
                raise WrongRun(f"did not end in {patience:g} s") from None
            finally:
                over.set()
                end(process)
                if watched:
                    os.close(terminal)
            out, err = _text(output), _text(errors)
        text = marks.read_text() if marks.is_file() else ""
    return Ran(
        code=process.returncode,
        out=out,
        err=err,
        began=began,
        seconds=seconds,
        marks=[json.loads(line) for line in text.splitlines()],
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a command: its session was begun for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _terminal(over: threading.Event) -> int:
    """Return a terminal whose output somebody reads."""
    mine, theirs = pty.openpty()

    def read() -> None:
        with suppress(OSError):
            while not over.is_set():
                os.read(mine, 1 << 16)
        os.close(mine)

    threading.Thread(target=read, daemon=True).start()
    return theirs


def _fetched(over: threading.Event) -> int:
    """Return a free port whose metrics are fetched every second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]

    def fetch() -> None:
        while not over.wait(FETCHED_S):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
                answer.read()

    threading.Thread(target=fetch, daemon=True).start()
    return port
