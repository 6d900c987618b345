# SPDX-License-Identifier: Apache-2.0
"""The contract, on each mapping of d4py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from d4py.errors import StateError
from d4py.graph.load import find, load
from d4py.mappings import resume, run
from d4py.runs import Folder
from d4py.testing import DeathContract, MappingContract, SuccessionContract
from d4py.testing.deaths import DEATHS
from d4py.testing.workflows import NAME

ONE_PROCESS = "it is one process, whose death is the run's; that it can be resumed is tested"
OWN_WORLD = "it starts what it runs on itself, so it finds no other world than it made"
FIRST_THREAD = "a signal reaches the first thread of a process only, and sources live in others"
NO_CHANNELS = "the whole graph is one cell, so there are no frames"


class TestSimple(MappingContract):
    mapping = "simple"
    not_applicable: ClassVar[dict[str, str]] = {
        "test_a_run_that_finds_another_world_than_it_was_promised_refuses_to_begin": OWN_WORLD,
        "test_items_dropped_doubled_or_out_of_turn_are_repaired_or_end_in_exit_6": NO_CHANNELS,
        "test_a_barrier_dropped_doubled_or_out_of_turn_is_repaired_or_ends_in_exit_6": NO_CHANNELS,
        "test_an_end_mark_doubled_or_out_of_turn_is_repaired_or_ends_in_exit_6": NO_CHANNELS,
        "test_an_item_lost_between_its_frame_and_its_pe_ends_in_exit_6": NO_CHANNELS,
        "test_a_run_begun_on_threads_goes_on_here": "the plan of such a run has several cells, and it has one",
        "test_what_overtakes_a_checkpoint_on_one_channel_waits_for_it_on_the_others": NO_CHANNELS,
        "test_a_consumer_that_stands_still_stops_its_producer_within_the_credit": "one item is under way at a time",
    }


class TestMulti(MappingContract):
    mapping = "multi"
    not_applicable: ClassVar[dict[str, str]] = {
        "test_a_run_that_finds_another_world_than_it_was_promised_refuses_to_begin": OWN_WORLD,
    }


class TestDeathsInMulti(DeathContract):
    mapping = "multi"
    alone = True


class TestDeathsInMultiWithSingleItems(DeathContract):
    mapping = "multi"
    window = 1
    alone = True
    deaths: ClassVar[dict[str, list[dict[str, Any]]]] = {
        name: DEATHS[name] for name in ("a stateless instance", "the source", "writer and reader together")
    }


class TestSuccessionsInMulti(SuccessionContract):
    mapping = "multi"


class TestSuccessionsInMultiWithSingleItems(SuccessionContract):
    mapping = "multi"
    window = 1


class TestThreads(MappingContract):
    mapping = "threads"
    not_applicable: ClassVar[dict[str, str]] = {
        "test_ctrl_c_reaches_a_live_source_that_stands_in_a_read": FIRST_THREAD,
        "test_ctrl_c_while_an_item_is_on_its_way_keeps_a_live_source_from_its_next_read": FIRST_THREAD,
        "test_a_run_that_finds_another_world_than_it_was_promised_refuses_to_begin": OWN_WORLD,
    }


def test_a_run_of_several_instances_is_refused_by_simple_with_the_remedy(tmp_path: Path) -> None:
    parameters = {"shape": "line", "scratch": str(tmp_path), "faults": [{"do": "raise", "at": "sink", "item": 5}]}
    failed = run(load(find(NAME, parameters=parameters)), "threads", processes=3, run_dir=tmp_path / "run", check=False)
    assert failed.exit_code == 3

    with pytest.raises(StateError, match=r"'simple' cannot continue a run that was begun on another\. Resume it with"):
        resume(Folder(failed.folder), mapping="simple")

    assert resume(Folder(failed.folder)).outputs.values() == list(range(20))
