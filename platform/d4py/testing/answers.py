# SPDX-License-Identifier: Apache-2.0
"""Promise 1, the same answer on every mapping, and the first half of promise 2, an end that is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import d4py
from d4py.testing.case import Case, fault, green

# of `whole` with 20 numbers from 0 and 20 from 100
WHOLE = {
    "count": {(0, 6): 1, (1, 5): 1, (2, 6): 1, (3, 6): 1, (4, 6): 1, (5, 6): 1, (6, 5): 1},
    "total": {190: 1},
    "sum": {190: 1},
    "all": {190: 1},
    "sink": dict.fromkeys(range(100, 120), 1),
}
WHOLE_COUNTS = {
    "numbers": (0, 20),
    "more": (0, 20),
    "even": (20, 10),
    "odd": (20, 10),
    "key": (40, 40),
    "count": (40, 7),
    "total": (20, 1),
    "sum": (20, 1),
    "all": (20, 1),
    "sink": (20, 20),
}


class AnswersContract(Case):
    """Same answer; finite streams."""

    @pytest.mark.parametrize("window", [None, 1], ids=["frames", "single"])
    @pytest.mark.parametrize("processes", range(1, 10))
    def test_a_workflow_with_everything_gives_the_same_answer_on_any_number_of_processes(
        self, processes: int, window: int | None
    ) -> None:
        result = self.run("whole", processes=processes, options={"window": window})

        green(result)
        found: dict[str, dict[Any, int]] = {}
        for pe, _, value in result.outputs:
            found.setdefault(pe, Counter())[value] += 1
        assert found == WHOLE
        assert {pe: (count["read"], count["written"]) for pe, count in result.counts.items()} == WHOLE_COUNTS

    @pytest.mark.parametrize("window", [None, 1], ids=["frames", "single"])
    def test_order_is_kept_from_each_instance_to_each_other(self, window: int | None) -> None:
        items = 300 if window == 1 else 5000
        result = self.run("stamped", items=items, options={"window": window})

        green(result)
        by_writer: dict[int, list[int]] = {}
        for rank, number in result.outputs.values("sink"):
            by_writer.setdefault(rank, []).append(number)
        assert sorted(number for numbers in by_writer.values() for number in numbers) == list(range(items))
        assert {rank: numbers == sorted(numbers) for rank, numbers in by_writer.items()} == dict.fromkeys(
            by_writer, True
        )

    def test_all_gives_every_item_to_every_instance(self) -> None:
        result = self.run("every", width=3)

        green(result)
        instances = result.counts["total"]["instances"]
        assert result.outputs.values("total") == [190] * instances
        assert result.counts["total"]["read"] == 20 * instances

    def test_keys_that_compare_equal_go_to_one_instance(self) -> None:
        result = self.run("keys", width=3)

        green(result)
        assert Counter(result.outputs.values("count")) == {(1, 4): 1, ("one", 2): 1, ((1, "a"), 2): 1}

    def test_instances_with_merge_add_up_to_one(self) -> None:
        result = self.run("several", items=500)

        green(result)
        assert result.outputs.values() == [124_750]

    def test_preprocess_and_postprocess_run_once_per_instance_and_what_they_write_travels_on(self) -> None:
        result = self.run("ceremony", items=6, width=3)

        green(result)
        instances = result.counts["ceremony"]["instances"]
        assert Counter(result.outputs.values("sink")) == Counter([*["begin", "end"] * instances, *range(6)])
        noted = Counter(line.split()[0] for line in self.lines("ceremony"))
        assert noted == {"begin": instances, "end": instances}
        assert len(set(self.lines("ceremony"))) == 2 * instances

    def test_a_source_is_called_as_often_as_asked(self) -> None:
        result = self.run("line", items=4, inputs=3)

        green(result)
        assert Counter(result.outputs.values("sink")) == {0: 3, 1: 3, 2: 3, 3: 3}

    def test_a_source_that_is_never_called_gives_an_empty_stream_that_ends(self) -> None:
        result = self.run("total", inputs=0)

        green(result)
        assert result.outputs.values("sink") == [0]
        assert result.counts["numbers"]["written"] == 0

    def test_a_stream_without_items_ends(self) -> None:
        result = self.run("whole", items=0)

        green(result)
        assert Counter((pe, value) for pe, _, value in result.outputs) == {
            ("total", 0): 1,
            ("sum", 0): 1,
            ("all", 0): 1,
        }

    def test_input_data_for_a_pe_that_is_fed_by_another_is_read_beside_its_stream(self) -> None:
        result = self.run("total", items=4, inputs={"total": [{"input": 100}, {"input": 1000}]})

        green(result)
        assert result.outputs.values("sink") == [1106]
        assert result.counts["total"]["read"] == 6

    def test_input_data_for_a_root_is_what_it_is_called_with(self) -> None:
        graph = d4py.WorkflowGraph()
        graph.add(d4py.SimpleFunctionPE(abs))
        result = self.enact(graph, inputs={"PE_abs": [{"input": -1}, {"input": 2}, {"input": -3}]})

        green(result)
        assert sorted(result.outputs.values()) == [1, 2, 3]

    def test_a_chain_of_a_thousand_pes_runs(self) -> None:
        result = self.run("long", items=10, length=1000, processes=2)

        green(result)
        assert result.outputs.values() == [45]

    def test_a_reader_may_change_what_it_receives_and_no_other_reader_notices(self) -> None:
        result = self.run("spoiled", width=3)

        green(result)
        assert set(result.outputs.values("first")) == {6, 15}
        assert set(result.outputs.values("second")) == {6, 15}
        assert len(result.outputs.values("second")) == 2 * result.counts["second"]["instances"]

    def test_arrays_are_whole_however_long_one_reader_keeps_them_and_whatever_another_does_to_them(self) -> None:
        result = self.run("held", items=60)

        green(result)
        sums = [49_995_000 + 10_000 * number for number in range(60)]
        assert sorted(result.outputs.values("hold")) == sums
        assert sorted(result.outputs.values("spoil")) == sums

    @pytest.mark.parametrize("times", [1, 2])
    def test_arrays_computed_in_memory_that_readers_share_are_whole(self, times: int) -> None:
        """One or two a call; one reader keeps them all, another ruins each."""
        result = self.run("held", items=60, computed=times)

        green(result)
        sums = sorted([49_995_000 + 10_000 * number for number in range(60)] * times)
        assert sorted(result.outputs.values("hold")) == sums
        assert sorted(result.outputs.values("spoil")) == sums

    def test_a_graph_of_classes_and_functions_that_no_module_has_runs(self) -> None:
        factor = 3

        class Local(d4py.IterativePE):
            def _process(self, inputs: Any) -> Any:
                return factor * inputs

        @d4py.producer
        def numbers(n: int = 4) -> Iterator[int]:
            yield from range(n)

        result = self.enact(numbers() >> Local())

        green(result)
        assert result.outputs.values() == [0, 3, 6, 9]

    def test_a_value_that_cannot_travel_arrives_all_the_same_or_fails_its_writer_by_name(self) -> None:
        result = self.run("locked")

        if result.exit_code == 0:
            assert result.outputs.values("open") == [False] * 20
        else:
            assert result.exit_code == 3
            assert result.error.startswith("PE 'lock', ")
            assert "cannot pickle '_thread.lock' object" in result.error

    def test_a_second_try_gets_the_item_as_it_came(self) -> None:
        result = self.run("spoiled", faults=[fault("raise", "first", times=2)], on_error={"first": "retry:2@0.001"})

        green(result)
        assert sorted(result.outputs.values("first")) == [6, 15]

    def test_a_run_does_not_change_the_workflow_that_it_was_given(self) -> None:
        workflow = self.workflow("total")

        first, second = self.enact(workflow), self.enact(workflow)

        assert (first.outputs.values("sink"), second.outputs.values("sink")) == ([190], [190])
