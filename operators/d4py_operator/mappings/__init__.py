# SPDX-License-Identifier: Apache-2.0
"""What is made for an attempt, one module a mapping, all of one shape.

A module has `LAUNCHES`, the kind whose end is the attempt's end, and `objects(run, attempt)`: that object last, what it needs before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from d4py_operator.mappings import mpi_job, mpi_native, multi, simple, threads

if TYPE_CHECKING:
    from collections.abc import Container

    from d4py_operator.objects import Object
    from d4py_operator.run import Run


class Room(Protocol):
    """The shape of these modules."""

    LAUNCHES: str

    def objects(self, run: Run, attempt: int) -> list[Object]:
        """Return what an attempt is made of."""


def room_of(run: Run, served: Container[str]) -> Room | None:
    """Return the module for a run; None where the cluster lacks what it asks for. served: kinds that the cluster knows."""
    if run.mapping != "mpi":
        rooms: dict[str, Room] = {"simple": simple, "threads": threads, "multi": multi}
        return rooms[run.mapping]
    launcher = (run.spec.mpi.launcher if run.spec.mpi else None) or "Auto"
    if launcher == "Native" or (launcher == "Auto" and mpi_job.LAUNCHES not in served):
        return mpi_native
    return mpi_job if mpi_job.LAUNCHES in served else None
