# SPDX-License-Identifier: Apache-2.0
"""A process knows both ends of its own channels, and no others."""

from __future__ import annotations

import pytest
from tests.unit.test_poison import line

from d4py.mappings.ends import ends


@pytest.mark.parametrize("processes", [1, 2, 3, 9])
def test_a_process_knows_both_ends_of_its_channels_and_no_others(processes: int) -> None:
    plan = line(processes)

    for process in range(processes):
        readers, writers = ends(plan, process)

        mine = {cell.index for cell in plan.cells if cell.process == process}
        theirs = {c.index: c for c in plan.channels if c.reader_cell in mine or c.writer_cell in mine}
        assert readers.keys() == writers.keys() == theirs.keys()
        for index, channel in theirs.items():
            assert readers[index] == (channel.reader_cell, plan.cells[channel.reader_cell].process)
            assert writers[index] == (channel.writer_cell, plan.cells[channel.writer_cell].process)


def test_what_a_rank_keeps_of_channels_grows_with_the_ranks_and_not_with_their_square() -> None:
    plan = line(1001)

    readers, _ = ends(plan, plan.instances_of("relay")[7].rank)

    assert len(plan.channels) == 500 + 500 * 500
    assert len(readers) == 1 + 500
