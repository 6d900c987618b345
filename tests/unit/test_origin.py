# SPDX-License-Identifier: Apache-2.0
"""Where a line of a log comes from: what is printed is read back, and filtered the same on every target."""

from __future__ import annotations

import pytest

from d4py.cli.origin import BAR, Origin, Wanted
from d4py.errors import UsageError

SQUARE = Origin("Square[1]", 2)


@pytest.mark.parametrize("origin", [SQUARE, Origin("run"), Origin("mail@home"), Origin("mail@home", 0)])
def test_what_is_printed_is_read_back(origin: Origin) -> None:
    assert Origin.read(f"{origin}{BAR} 2026-11-29 07:00:00 | @3") == origin


def test_a_line_of_nobody_is_of_no_pe_and_no_rank() -> None:
    stray = Origin.read("Square: not a line of a log")

    assert stray not in Wanted(["Square"])
    assert stray not in Wanted(rank=0)


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), True),
        (Wanted(["Square"]), True),
        (Wanted(["Square[1]"]), True),
        (Wanted(["Square[0]"]), False),
        (Wanted(rank=2), True),
        (Wanted(rank=1), False),
        (Wanted(["Other"], 2), False),
    ],
)
def test_lines_are_taken_by_pe_by_instance_and_by_rank(wanted: Wanted, taken: bool) -> None:
    assert (SQUARE in wanted) is taken


def test_ranks_are_of_mpi_jobs_only() -> None:
    with pytest.raises(UsageError, match="The run has no ranks: its mapping is multi"):
        Wanted(rank=0).check_rank("multi", 4)
