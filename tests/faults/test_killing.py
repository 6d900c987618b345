# SPDX-License-Identifier: Apache-2.0
"""The comparison of killed workers counts right, and d4py loses nothing in it. Peers are not installed here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.faults import CONTESTANTS, spread
from bench.killing import Seen, Tally, journal, run


def test_what_is_missing_comes_twice_or_is_called_again_is_counted() -> None:
    seen = Seen(
        calls=((10.0, 0, 71), (10.1, 1, 72), (10.2, 1, 73), (10.3, 2, 71)), got=((10.5, 0), (10.6, 2), (11.0, 2))
    )
    tally = Tally.of(seen, [0, 2, 2], tasks=4, kills=1, ended=False)

    assert (tally.lost, tally.twice, tally.again, tally.seconds, tally.ended) == (2, 1, 1, 1.0, False)


def test_a_journal_tells_calls_with_their_process_and_results(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("1.5 call 7 4321\n2.5 got 7\n")

    assert journal(tmp_path / "journal") == Seen(calls=((1.5, 7, 4321),), got=((2.5, 7),))


def test_a_figure_that_varies_is_told_with_its_bounds() -> None:
    assert [spread([5, 5, 5]), spread([3, 9, 4])] == ["5", "4 (3 to 9)"]


def test_d4py_loses_no_task_whose_worker_is_killed_and_gives_none_twice() -> None:
    tally = run(CONTESTANTS[0], {}, tasks=40, kills=2)

    assert (tally.kills, tally.lost, tally.twice, tally.ended) == (2, 0, 0, True)
