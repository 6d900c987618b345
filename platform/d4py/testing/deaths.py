# SPDX-License-Identifier: Apache-2.0
"""Promise 3 where instances live in processes that can die one by one: the run goes back, and nothing is lost or committed twice."""

from __future__ import annotations

import json
import os
import signal
from typing import Any, ClassVar

import pytest

from d4py.runs import Folder
from d4py.runs.quarantine import kept_items
from d4py.testing.belongings import alive, belongings, descendants, shared_memory
from d4py.testing.case import fault, green, pause
from d4py.testing.rewinds import RewindsContract
from d4py.testing.stops import Alone
from d4py.testing.waiting import eventually, settled

# What kills which processes, of `total` with 100 numbers. A mapping may add its own.
DEATHS: dict[str, list[dict[str, Any]]] = {
    "a stateless instance": [fault("crash", "relay", 60)],
    "a stateful instance": [fault("crash", "total", 60)],
    "the source": [fault("crash", "numbers", 60)],
    "the sink at the end of its stream": [fault("crash", "sink", during="postprocess")],
    "a stateless instance by segfault": [fault("segfault", "relay", 60)],
    "writer and reader together": [fault("crash", "relay", 60), fault("crash", "total", 60)],
    "source and sum one after another": [fault("crash", "numbers", 60), fault("crash", "total", 61)],
    "a stateful instance at its start": [fault("crash", "total", during="preprocess")],
    "a stateful instance at the end of its stream": [fault("crash", "total", during="postprocess")],
    "a stateless instance at the end of its stream": [fault("crash", "relay", during="postprocess")],
    "the source on its last item": [fault("crash", "numbers", 99)],
}

REPLACED = (
    "a stateless instance",
    "a stateless instance by segfault",
    "a stateless instance at the end of its stream",
)
BEFORE_ANY_CHECKPOINT = ("a stateful instance at its start",)


class DeathContract(RewindsContract):
    """Deaths of single processes."""

    deaths: ClassVar[dict[str, list[dict[str, Any]]]] = DEATHS
    alone: ClassVar[bool] = False  # whether a dead stateless instance is replaced, and nothing goes back

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "death" in metafunc.fixturenames:
            metafunc.parametrize("death", list(self.deaths))

    @pytest.mark.parametrize("checkpoint", [False, True], ids=["from the start", "from a checkpoint"])
    def test_a_run_survives_a_death_with_nothing_lost_or_committed_twice(self, death: str, checkpoint: bool) -> None:
        faults = [*self.deaths[death], pause(40)]
        under_test = self.start("total", items=100, faults=faults, processes=4)
        under_test.at("numbers-process-40")
        if checkpoint:
            under_test.folder.request("snapshot")
            eventually(lambda: under_test.commits() >= 1, what="the checkpoint")
        under_test.open("numbers-process-40")
        result = under_test.result()

        green(result)
        assert self.struck() == {f"struck1-{one['at']}-{one['during']}-{one['item']}" for one in self.deaths[death]}
        assert result.outputs.values("sink") == [4950]
        assert {pe: (count["read"], count["written"]) for pe, count in result.counts.items()} == {
            "numbers": (0, 100),
            "relay": (100, 100),
            "total": (100, 1),
            "sink": (1, 1),
        }
        if self.alone and death in REPLACED:
            assert Folder(result.folder).generation() == 1
        elif checkpoint and death not in BEFORE_ANY_CHECKPOINT:
            begun = json.loads((result.folder / "generations" / "0002.json").read_text())
            assert begun == {"generation": 2, "start": "e000001-g0001"}

    def test_a_death_in_the_middle_of_a_checkpoint_does_not_hurt_it(self) -> None:
        under_test = self.start(
            "total", items=100, faults=[pause(40), fault("crash", "total", during="snapshot")], processes=4
        )
        under_test.at("numbers-process-40")

        under_test.folder.request("snapshot")
        eventually(lambda: Folder(under_test.path).generation() == 2, what="the rewind")
        under_test.open("numbers-process-40")
        result = under_test.result()

        green(result)
        assert result.outputs.values("sink") == [4950]

    def test_outputs_are_committed_once_though_items_are_seen_again(self) -> None:
        result = self.run("line", items=100, faults=[fault("crash", "sink", 60)], processes=3)

        green(result)
        assert result.outputs.values("sink") == list(range(100))
        assert set(self.seen()) == set(range(100))
        assert self.seen()[0] == 2

    @pytest.mark.parametrize("checkpoint", [False, True], ids=["from the start", "from a checkpoint"])
    def test_a_death_loses_nothing_of_a_source_that_cannot_be_run_again(self, checkpoint: bool) -> None:
        faults = [pause(40), pause(60), fault("crash", "relay", 59)]
        under_test = self.start("tapped", items=100, faults=faults, processes=4)
        under_test.at("numbers-process-40")
        if checkpoint:
            under_test.folder.request("snapshot")
            eventually(lambda: under_test.commits() >= 1, what="the checkpoint")
        under_test.open("numbers-process-40")
        eventually(lambda: self.alone or Folder(under_test.path).generation() == 2, what="the rewind")
        under_test.open("numbers-process-60")
        result = under_test.result()

        green(result)
        assert sorted(result.outputs.values("sink")) == list(range(100))
        assert self.lines("written") == [str(number) for number in range(100)]

    def test_an_item_that_kills_twice_fails_the_run_and_is_named(self) -> None:
        result = self.run("total", items=100, faults=[fault("crash", "relay", 60, times=0)], processes=4)

        assert result.exit_code == 3
        assert result.error.startswith("PE 'relay', instance relay, item 60 on 'input', input Loaded(value=60, ")

    def test_an_item_that_kills_twice_goes_to_quarantine_where_that_is_the_policy(self) -> None:
        faults = [fault("crash", "total", 60, times=0)]
        result = self.run("total", items=100, faults=faults, on_error={"total": "quarantine"}, processes=4)

        assert (result.exit_code, result.error) == (4, "")
        assert result.outputs.values("sink") == [4950 - 60]
        assert [(item.pe, item.port, item.value.value) for item in kept_items(Folder(result.folder))] == [
            ("total", "input", 60)
        ]

    def test_two_items_that_kill_twice_each_both_go_to_quarantine(self) -> None:
        faults = [fault("crash", "relay", item, times=0) for item in (20, 60)]
        result = self.run(
            "total", items=100, faults=faults, on_error={"relay": "quarantine"}, processes=4, options={"restarts": 9}
        )

        assert (result.exit_code, result.error) == (4, "")
        assert result.outputs.values("sink") == [4950 - 80]

    def test_an_item_that_kills_whichever_instance_has_it_goes_to_quarantine_at_its_second_death(self) -> None:
        faults = [fault("crash", "relay", 60, times=0)]
        result = self.run(
            "total", items=100, faults=faults, on_error={"relay": "quarantine"}, processes=8, options={"restarts": 1}
        )

        assert (result.exit_code, result.error) == (4, "")
        assert result.outputs.values("sink") == [4950 - 60]

    def test_an_item_that_kills_goes_to_quarantine_though_its_writer_dies_with_it(self) -> None:
        """The first death cannot be held against it, for its writer is asked in vain. After that its reader notes what it has in hand."""
        faults = [fault("crash", "total", 60, times=0)]
        result = self.run(
            "crossing", items=100, faults=faults, on_error={"total": "quarantine"}, processes=1, options={"restarts": 2}
        )

        assert (result.exit_code, result.error) == (4, "")
        assert result.outputs.values("sink") == [2 * 4950 + 100 * 1000 - 60]

    def test_an_item_that_kills_twice_is_named_though_its_writer_is_in_a_long_call(self) -> None:
        faults = [fault("crash", "total", 60, times=0), pause(61, at="relay")]
        result = self.run("total", items=100, faults=faults, processes=4, options={"window": 1})

        assert result.exit_code == 3
        assert result.error.startswith("PE 'total', instance total, item 60 on 'input', input Loaded(value=60, ")

    @pytest.mark.parametrize("policy", ["fail", "quarantine"])
    def test_two_deaths_on_two_items_that_are_equal_are_held_against_neither(self, policy: str) -> None:
        faults = [fault("crash", "nth", number) for number in (20, 60)]
        result = self.run("equal", items=100, faults=faults, on_error={"nth": policy}, processes=3)

        green(result)
        assert self.struck() == {"struck1-nth-process-20", "struck1-nth-process-60"}
        assert result.outputs.values("sink") == ["tick"] * 100

    def test_a_rewind_needs_no_file_that_another_process_may_be_writing(self) -> None:
        under_test = self.start("total", items=100, faults=[pause(40), fault("crash", "relay", 60), pause(80)])
        under_test.at("numbers-process-40")
        plan = under_test.path / "plan.json"
        whole = plan.read_bytes()
        plan.write_bytes(whole[:100])
        under_test.open("numbers-process-40")
        under_test.at("numbers-process-80")
        plan.write_bytes(whole)
        under_test.open("numbers-process-80")

        green(under_test.result())

    def test_a_source_that_always_dies_fails_the_run_after_the_allowed_restarts(self) -> None:
        result = self.run("total", faults=[fault("crash", "numbers", 5, times=0)], options={"restarts": 2})

        assert result.exit_code == 3
        assert "2 are allowed" in result.error

    def test_instances_that_share_a_process_survive_its_death_together(self) -> None:
        result = self.run("whole", items=100, faults=[fault("crash", "count"), fault("crash", "key", 60)], processes=2)

        green(result)
        assert sum(number for _, number in result.outputs.values("count")) == 200
        assert sorted(result.outputs.values("sink")) == list(range(100, 200))

    def test_a_run_that_went_back_leaves_nothing_behind(self) -> None:
        self.run("total")  # what Python itself opens once is not the run's
        before = belongings()

        result = self.run("total", items=100, faults=[fault("crash", "relay", 60), fault("crash", "numbers", 80)])

        green(result)
        eventually(lambda: belongings() == before, within=5, what=f"{belongings()} to become {before}")

    def test_a_process_that_is_stopped_for_a_while_is_not_taken_for_dead(self) -> None:
        before = set(descendants())
        under_test = self.start("total", items=100, faults=[pause(40)], processes=4)
        under_test.at("numbers-process-40")
        stopped = [pid for pid in descendants() if pid not in before]
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGSTOP)
        under_test.open("numbers-process-40")
        assert settled(lambda: len(self.lines("written")), quiet=0.5) == 40
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        result = under_test.result()

        green(result)
        assert Folder(result.folder).generation() == 1

    def test_a_killed_supervisor_leaves_no_process_and_no_memory(self) -> None:
        memory = shared_memory()
        parameters = {
            "shape": "total",
            "scratch": str(self.scratch),
            "items": 100,
            "faults": [pause(60), pause(10, at="relay")],
        }
        with Alone(self, self.scratch / "killed", parameters) as process:
            eventually((self.scratch / "at-relay-process-10").exists, what="the run to get busy")
            workers = descendants(process.pid)
            assert len(workers) >= 1
            process.kill()
            process.wait()

            assert eventually(lambda: not any(map(alive, workers)), within=6, what=f"workers {workers} to end")
        assert shared_memory() == memory
