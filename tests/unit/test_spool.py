# SPDX-License-Identifier: Apache-2.0
"""Spools and journals: only what a part reaches counts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from d4py.errors import NotPicklable, StateError
from d4py.runs.journal import Journal, drop
from d4py.runs.spool import Reach, Spool, read, records

Make = Callable[..., Spool]


@pytest.fixture
def spooled(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(values: list[object], *, generation: int = 1, before: Reach | None = None) -> Spool:
            spool = Spool(tmp_path, 0, generation, before)
            stack.callback(spool.close)
            for value in values:
                spool.append(3, "output", value)
            return spool

        yield make


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[Callable[[int], Journal]]:
    with ExitStack() as stack:
        yield lambda generation: stack.enter_context(closing(Journal(tmp_path, 4, generation)))


def test_records_are_read_in_order_with_rank_and_output(spooled: Make, tmp_path: Path) -> None:
    reach = spooled(["a", None, [1]]).reach()

    assert list(read(tmp_path, reach)) == [(3, "output", "a"), (3, "output", None), (3, "output", [1])]
    assert records(reach) == 3


def test_what_lies_beyond_the_reach_does_not_count(spooled: Make, tmp_path: Path) -> None:
    spool = spooled(["a"])
    reach = spool.reach()
    spool.append(3, "output", "b")
    spool.flush()

    assert [value for _, _, value in read(tmp_path, reach)] == ["a"]


def test_a_later_generation_goes_on_from_what_was_committed(spooled: Make, tmp_path: Path) -> None:
    first = spooled(["a"])
    committed = first.reach()
    first.append(3, "output", "lost")
    first.flush()

    reach = spooled(["b"], generation=2, before=committed).reach()

    assert [value for _, _, value in read(tmp_path, reach)] == ["a", "b"]
    assert records(reach) == 2


def test_a_spool_without_records_makes_no_file_and_keeps_what_was_before(spooled: Make, tmp_path: Path) -> None:
    before = [("00000.0001.spool", 10, 1)]

    assert Spool(tmp_path, 0, 2, before).reach() == before
    assert list(tmp_path.iterdir()) == []


def test_many_and_large_records_do_not_wait_in_memory(spooled: Make, tmp_path: Path) -> None:
    spool = spooled(list(range(256)))
    after_many = (tmp_path / "00000.0001.spool").stat().st_size
    spool.append(3, "output", np.zeros(100_000))

    assert 0 < after_many < (tmp_path / "00000.0001.spool").stat().st_size


def test_a_spool_that_was_cut_short_is_named(spooled: Make, tmp_path: Path) -> None:
    reach = spooled(["a" * 100]).reach()
    os.truncate(tmp_path / "00000.0001.spool", 50)

    with pytest.raises(StateError, match=r"00000.0001.spool is cut short: 0 bytes of \d+. Its disk lost data"):
        list(read(tmp_path, reach))


def test_a_spool_that_is_gone_is_named(spooled: Make, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"The spool .*00000.0001.spool is gone"):
        list(read(tmp_path, [("00000.0001.spool", 10, 1)]))


def test_a_value_that_cannot_be_kept_is_told(spooled: Make, tmp_path: Path) -> None:
    with pytest.raises(NotPicklable, match=r"A value cannot be kept: cannot pickle '_thread.lock' object"):
        spooled([threading.Lock()]).reach()


def test_objects_around_large_arrays_do_not_wait_in_memory(spooled: Make, tmp_path: Path) -> None:
    spool = spooled([{"trace": (number, np.zeros(10_000))} for number in range(3)])
    assert not (tmp_path / "00000.0001.spool").exists()

    spool.append(3, "output", {"trace": (3, np.zeros(10_000))})

    assert (tmp_path / "00000.0001.spool").stat().st_size > 4 * 80_000


def test_a_journal_outlives_its_process_and_is_read_from_a_number_on(journals: Callable[[int], Journal]) -> None:
    journals(1).append("a")
    first = journals(2)
    assert list(first.since(0)) == ["a"]
    for value in ("b", "c"):
        first.append(value)

    assert list(journals(3).since(1)) == ["b", "c"]
    assert list(journals(3).since(3)) == []


def test_a_journals_half_written_record_is_cut_off_and_the_next_follows_the_last_whole_one(
    journals: Callable[[int], Journal], tmp_path: Path
) -> None:
    first = journals(1)
    first.append("a")
    (file,) = tmp_path.iterdir()
    whole = file.stat().st_size
    first.append("b" * 50)
    os.truncate(file, whole + 20)

    later = journals(2)
    assert list(later.since(0)) == ["a"]
    later.append("c")
    assert list(journals(3).since(0)) == ["a", "c"]


def test_a_journal_begins_a_file_at_each_checkpoint_so_that_what_is_committed_can_go(
    journals: Callable[[int], Journal], tmp_path: Path
) -> None:
    journal = journals(1)
    for value in range(6):
        journal.append(value)
        if value % 2:
            journal.sync()
    assert len(list(tmp_path.iterdir())) == 3

    drop(tmp_path, 4, 4)

    assert len(list(tmp_path.iterdir())) == 1
    assert list(journals(2).since(4)) == [4, 5]
