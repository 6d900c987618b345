# SPDX-License-Identifier: Apache-2.0
"""How many threads numerical libraries make where several processes share a machine."""

from __future__ import annotations

import os

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def limit_threads() -> None:
    """Numerical libraries are to begin with one thread: each worker has a processor to itself at best. They look once, when they are loaded."""
    for name in THREADS:
        os.environ.setdefault(name, "1")


def grant_threads(number: int) -> None:
    """Numerical libraries are to begin with as many threads as a workflow asks for, whatever the environment says; 0: it does not."""
    for name in THREADS if number else ():
        os.environ[name] = str(number)
