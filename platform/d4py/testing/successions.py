# SPDX-License-Identifier: Apache-2.0
"""Promise 3 without going back: a stateless instance dies, another takes its place, and nobody else does anything twice.

For mappings that replace a dead stateless instance alone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from d4py.runs import Folder
from d4py.runs.quarantine import kept_items
from d4py.testing.case import Case, Running, fault, green, pause, seeded
from d4py.testing.waiting import eventually

if TYPE_CHECKING:
    from d4py.mappings import Result

SEEDS = range(4)
OPTIONS = {"restarts": 9}


class SuccessionContract(Case):
    """Deaths of stateless instances."""

    def test_only_the_frame_in_hand_is_done_again(self) -> None:
        deaths = [fault("crash", "relay", item) for item in (10, 50, 90)]
        result = self.run("line", items=100, faults=deaths, processes=3, options=OPTIONS)

        self.went_on(result)
        assert self.lines("written") == [str(number) for number in range(100)]
        assert self.lines("seen") == [str(number) for number in range(100)]
        assert self.struck() == {f"struck1-relay-process-{item}" for item in (10, 50, 90)}

    @pytest.mark.parametrize("readers", ["shuffle", "key", "all"])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_what_was_sent_of_a_frame_is_not_sent_again_to_whichever_reader_has_it(
        self, seed: int, readers: str
    ) -> None:
        """The PE writes a number, may die then, and writes its negative."""
        chance = seeded(seed, readers)
        items = chance.sample(range(100), 5)
        result = self.run(
            "doubled",
            items=100,
            readers=readers,
            width=2,
            faults=[fault("crash", "stutter", item) for item in items],
            processes=6,
            options=OPTIONS,
        )

        self.went_on(result)
        assert len(self.struck()) == 5
        times = 2 if readers == "all" else 1
        both = Counter([*range(100), *[-number for number in range(100)]])
        assert self.seen() == {number: times * count for number, count in both.items()}

    def test_what_nobody_consumes_is_kept_once(self) -> None:
        deaths = [fault("crash", "relay", item) for item in (1, 50, 51, 99)]
        result = self.run("loose", items=100, faults=deaths, processes=2, options=OPTIONS)

        self.went_on(result)
        assert [getattr(value, "value", value) for value in result.outputs.values("relay")] == list(range(100))

    def test_checkpoints_go_on_around_a_death_and_the_next_one_goes_back_no_further(self) -> None:
        """A neighbour that was replaced may be followed by this one only when a checkpoint has passed both."""
        faults = [pause(20), fault("crash", "first", 30), pause(40), fault("crash", "second", 50), pause(60)]
        under_test = self.start("relayed", items=100, faults=faults, processes=4, options=OPTIONS)
        under_test.at("numbers-process-20")
        under_test.open("numbers-process-20")
        under_test.at("numbers-process-40")
        eventually(lambda: under_test.folder.state().warnings, what="the first death")
        self.checkpoints(under_test, 1)
        under_test.open("numbers-process-40")
        under_test.at("numbers-process-60")
        under_test.open("numbers-process-60")

        result = under_test.result()

        self.went_on(result)
        assert self.lines("seen") == [str(number) for number in range(100)]

    def test_one_is_replaced_long_after_the_checkpoint_that_its_generation_began_from(self) -> None:
        faults = [pause(20), fault("crash", "total", 30), pause(40), fault("crash", "relay", 50)]
        under_test = self.start("total", items=100, faults=faults, processes=4, options=OPTIONS)
        under_test.at("numbers-process-20")
        self.checkpoints(under_test, 1)
        under_test.open("numbers-process-20")
        under_test.at("numbers-process-40")
        eventually(lambda: under_test.folder.generation() == 2, what="the rewind")
        self.checkpoints(under_test, 4)
        under_test.open("numbers-process-40")

        result = under_test.result()

        green(result)
        assert Folder(result.folder).generation() == 2
        assert result.outputs.values("sink") == [4950]

    def test_neighbours_that_die_in_turn_take_the_run_back(self) -> None:
        faults = [fault("crash", "first", 30), fault("crash", "second", 50)]
        result = self.run("relayed", items=100, faults=faults, processes=4, options=OPTIONS)

        green(result)
        assert Folder(result.folder).generation() == 2
        assert result.outputs.values("sink") == list(range(100))

    @pytest.mark.parametrize("during", ["preprocess", "postprocess"])
    def test_a_death_in_preprocess_or_postprocess_is_followed_by_another_that_begins_or_ends(self, during: str) -> None:
        result = self.run("opened", items=20, faults=[fault("crash", "opener", during=during)], processes=3)

        self.went_on(result)
        assert result.outputs.values("sink") == ["begin", *range(20), "end"]

    def test_an_item_that_kills_twice_is_set_aside_and_nothing_goes_back(self) -> None:
        faults = [fault("crash", "relay", item, times=0) for item in (20, 60)]
        result = self.run(
            "line", items=100, faults=faults, processes=3, on_error={"relay": "quarantine"}, options=OPTIONS
        )

        assert (result.exit_code, result.error) == (4, "")
        assert Folder(result.folder).generation() == 1
        assert self.lines("seen") == [str(number) for number in range(100) if number not in {20, 60}]
        assert [item.value.value for item in kept_items(Folder(result.folder))] == [20, 60]

    def test_one_that_dies_each_time_before_it_does_anything_fails_the_run(self) -> None:
        faults = [fault("crash", "relay", during="preprocess", times=0)]
        result = self.run("line", items=100, faults=faults, processes=3)

        assert result.exit_code == 3
        assert "--restarts" in result.error

    def checkpoints(self, under_test: Running, number: int) -> None:
        """Take some checkpoints, one after another."""
        for _ in range(number):
            before = under_test.commits()
            under_test.folder.request("snapshot")
            eventually(lambda before=before: under_test.commits() > before, what="the checkpoint")  # type: ignore[misc]

    def went_on(self, result: Result) -> None:
        """Check that a run ended well and never went back."""
        green(result)
        assert Folder(result.folder).generation() == 1
        assert all(told.endswith("Another takes its place.") for told in self.warnings(result))

    def warnings(self, result: Result) -> list[Any]:
        """Return what the run warned of."""
        return list(Folder(result.folder).state().warnings)
