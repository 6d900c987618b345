# SPDX-License-Identifier: Apache-2.0
"""What the PEs of a run have done so far, from the counters that its processes publish. Not yet books: nothing here is committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.runs.board import Board

if TYPE_CHECKING:
    from d4py.plan.plan import Plan
    from d4py.runs.folder import Folder

Counts = dict[str, dict[str, int]]


def counted(plan: Plan, board: Board) -> Counts:
    """Return instances and items read, written and in quarantine per PE, in the order of the graph."""
    totals: Counts = {}
    for instance in plan.instances:
        total = totals.setdefault(instance.pe, {"instances": instance.of, "read": 0, "written": 0, "quarantined": 0})
        read, written, quarantined = board.counts(instance.rank)
        total["read"] += read
        total["written"] += written
        total["quarantined"] += quarantined
    return totals


def published(folder: Folder) -> Counts:
    """Return the counts of a run that goes on, or of one as it stood when it ended; nothing where it never began."""
    plan = folder.plan()
    try:
        board = Board(folder.path / "board", len(plan.instances), len(plan.cells))
    except (OSError, ValueError):
        return {}
    try:
        return counted(plan, board)
    finally:
        board.close()
