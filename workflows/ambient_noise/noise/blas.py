# SPDX-License-Identifier: Apache-2.0
"""One BLAS thread: parallel work is laid out above the core, and bits must not depend on how many cores there are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np  # noqa: F401  (its BLAS must be loaded before the controller looks)
import threadpoolctl


class _Limit:
    """The limit of the process: the first thread to enter sets it, the last to leave lifts it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.limiter: Any = None

    def enter(self) -> None:
        with self.lock:
            if self.inside == 0:
                _disown()
                self.limiter = _libraries().of_process.limit(limits=1, user_api="blas")
                _disown()
            self.inside += 1

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                _disown()
                self.limiter.restore_original_limits()
                _disown()


_limit = _Limit()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run the body with one BLAS thread.

    Entering is cheap, as the libraries are looked up only once; nesting and concurrent use from several threads are
    fine.
    """
    own = _libraries().of_thread.limit(limits=1, user_api="blas")
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
        own.restore_original_limits()


def kernels() -> list[str]:
    """Name the BLAS libraries in this process and the kernels they chose, such as 'openblas 0.3.31 Haswell'."""
    found = _libraries().all.info()
    return [f"{b['internal_api']} {b['version']} {b.get('architecture', 'unknown kernel')}" for b in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Libraries:
    all: Any  # threadpoolctl's controllers
    of_thread: Any  # with OpenMP each thread has a limit of its own
    of_process: Any


@cache
def _libraries() -> _Libraries:
    blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
    paths = {library["filepath"]: library.get("threading_layer") for library in blas.info()}
    return _Libraries(
        all=blas,
        of_thread=blas.select(filepath=[path for path, layer in paths.items() if layer == "openmp"]),
        of_process=blas.select(filepath=[path for path, layer in paths.items() if layer != "openmp"]),
    )


def _disown() -> None:
    """Let any thread set the limit of the process.

    From version 3.8 threadpoolctl ignores all threads but the first that set it; then the last to leave could not lift
    it.
    """
    for library in _libraries().of_process.lib_controllers:
        disown = getattr(library, "clear_controlling_thread", None)
        if disown is not None:
            disown(force=True)
