# SPDX-License-Identifier: Apache-2.0
"""Who is at the two ends of the channels of one process. The channels of a run may be millions; those of a process are what its cells read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from d4py.plan import Plan


class End(NamedTuple):
    """A cell, and the process that it lives in."""

    cell: int
    process: int


def ends(plan: Plan, process: int) -> tuple[dict[int, End], dict[int, End]]:
    """Return the readers and the writers of all channels that the cells of a process read or write, by channel."""
    of = [End(cell.index, cell.process) for cell in plan.cells]
    readers: dict[int, End] = {}
    writers: dict[int, End] = {}
    for cell in plan.cells_of(process):
        for channel in (*plan.channels_to(cell.index), *plan.channels_from(cell.index)):
            readers[channel.index], writers[channel.index] = of[channel.reader_cell], of[channel.writer_cell]
    return readers, writers
