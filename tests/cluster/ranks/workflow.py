# SPDX-License-Identifier: Apache-2.0
"""Says by whose MPI each rank works, and on which pod."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import d4py


@d4py.producer
def numbers(n: int = 40) -> Iterator[tuple[int, str]]:
    """Yield numbers, and the pod that they come from."""
    for number in range(n):
        yield number, socket.gethostname()


class Where(d4py.IterativePE):
    """Squares a number, and says where that was."""

    def _process(self, x: tuple[int, str]) -> dict[str, Any]:
        from mpi4py import MPI

        number, origin = x
        mpi = MPI.Get_library_version().split(",")[0].strip()
        return {"square": number * number, "mpi": mpi, "pods": [origin, socket.gethostname()]}


workflow = numbers() >> Where()
