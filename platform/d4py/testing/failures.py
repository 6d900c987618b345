# SPDX-License-Identifier: Apache-2.0
"""Promises 3 and 4 without deaths: what raises is told and follows its policy; books balance or the run is not green."""

from __future__ import annotations

import os
from collections import Counter

import pytest

import d4py
from d4py.errors import StateError
from d4py.graph.load import find, load
from d4py.runs import Folder
from d4py.runs.books import audit
from d4py.runs.quarantine import kept_items
from d4py.testing.case import Case, disagreeing, fault, green

_INVERTED = """import d4py

@d4py.producer
def numbers():
    yield from (2, 1, 0)

def inverse(x):
    # the line that fails
    return 1 / x

@d4py.iterative
def invert(x):
    return inverse(x)

graph = numbers() >> invert()
"""


class FailuresContract(Case):
    """Errors, policies, books."""

    def test_a_pe_that_raises_fails_the_run_and_is_named_with_instance_item_and_input(self) -> None:
        result = self.run("total", items=40, faults=[fault("raise", "total", 17)], processes=4)

        assert result.exit_code == 3
        assert result.error.startswith("PE 'total', instance total, item 17 on 'input', input Loaded(value=17, ")
        assert result.error.endswith(": ValueError: total-process-17 is poison")

    def test_the_traceback_of_a_failure_is_the_users_own_lines(self) -> None:
        path = self.scratch / "inverted.py"
        path.write_text(_INVERTED)

        result = self.enact(load(find(str(path))), processes=1)

        assert (result.exit_code, result.error) == (
            3,
            "PE 'invert', instance invert, item 2 on 'input', input 0: ZeroDivisionError: division by zero",
        )
        lines = result.traceback.splitlines()
        assert lines[:3] == [
            "Traceback (most recent call last):",
            f'  File "{path}", line 13, in invert',
            "    return inverse(x)",
        ]
        assert f'  File "{path}", line 9, in inverse' in lines
        assert lines[-1] == "ZeroDivisionError: division by zero"
        assert "d4py/engine" not in result.traceback

    def test_a_failure_on_input_data_names_the_input(self) -> None:
        graph = d4py.WorkflowGraph()
        graph.add(d4py.SimpleFunctionPE(int))
        result = self.enact(graph, inputs={"PE_int": [{"input": "12"}, {"input": "twelve"}]})

        assert result.exit_code == 3
        assert result.error.startswith("PE 'PE_int', instance PE_int, item 1 on 'input', input 'twelve': ValueError: ")

    @pytest.mark.parametrize("during", ["preprocess", "postprocess"])
    def test_a_pe_that_raises_in_preprocess_or_postprocess_fails_the_run_and_is_named(self, during: str) -> None:
        result = self.run("total", faults=[fault("raise", "total", during=during, times=0)])

        assert (result.exit_code, result.error) == (
            3,
            f"PE 'total', instance total, {during}: ValueError: total-{during}--1 is poison",
        )

    def test_a_source_that_raises_fails_the_run_and_is_named(self) -> None:
        result = self.run("total", faults=[fault("raise", "numbers", 5, times=0)])

        assert (result.exit_code, result.error) == (
            3,
            "PE 'numbers', instance numbers, call 0: ValueError: numbers-process-5 is poison",
        )

    @pytest.mark.parametrize("at", ["relay", "numbers"])
    def test_a_pe_that_exits_python_fails_the_run(self, at: str) -> None:
        result = self.run("total", faults=[fault("exit", at, 5, times=0)])

        assert result.exit_code == 3
        assert f"PE '{at}'" in result.error
        assert "SystemExit: 0" in result.error

    def test_code_that_catches_every_exception_of_its_writes_cannot_swallow_anothers_failure(self) -> None:
        result = self.run("swallow", faults=[fault("raise", "relay", 5)])

        assert result.exit_code == 3
        assert result.error.startswith("PE 'relay', ")

    def test_a_failed_run_commits_no_outputs_after_its_last_checkpoint(self) -> None:
        result = self.run("line", faults=[fault("raise", "sink", 17)])

        assert (result.exit_code, len(result.outputs)) == (3, 0)

    def test_a_retry_makes_good_what_passes_and_skips_the_writes_already_made(self) -> None:
        result = self.run(
            "stutter", faults=[fault("raise", "stutter", 5, times=2)], on_error={"stutter": "retry:2@0.001"}
        )

        green(result)
        assert Counter(result.outputs.values()) == Counter([*range(20), *range(0, -20, -1)])

    def test_a_retry_that_never_passes_fails_the_run(self) -> None:
        result = self.run("line", faults=[fault("raise", "relay", 5, times=4)], on_error={"relay": "retry:3@0.001"})

        assert result.exit_code == 3
        assert (self.scratch / "struck4-relay-process-5").exists()

    def test_a_source_is_retried_without_writing_twice(self) -> None:
        result = self.run("line", faults=[fault("raise", "numbers", 5, times=2)], on_error={"numbers": "retry:2@0.001"})

        green(result)
        assert sorted(result.outputs.values("sink")) == list(range(20))

    def test_quarantine_sets_one_item_aside_with_its_traceback_and_the_rest_goes_on(self) -> None:
        faults = [fault("raise", "relay", item, times=0) for item in (5, 11)]
        result = self.run("total", faults=faults, on_error={"relay": "retry:1@0.001,quarantine"})

        assert (result.exit_code, result.error) == (4, "")
        assert result.outputs.values("sink") == [190 - 5 - 11]
        assert result.counts["relay"]["quarantined"] == 2
        kept = sorted(kept_items(Folder(result.folder)), key=lambda item: int(item.value.value))
        assert [(item.pe, item.port, item.value.value) for item in kept] == [
            ("relay", "input", 5),
            ("relay", "input", 11),
        ]
        assert "ValueError: relay-process-5 is poison" in kept[0].failure.traceback

    def test_the_books_balance_and_an_audit_counts_the_same(self) -> None:
        result = self.run("whole")

        green(result)
        assert audit(Folder(result.folder)) == result.books
        assert {(line.name, line.written, line.read) for line in result.books.lines if line.kind == "input"} >= {
            ("key.input", 40, 40)
        }
        assert sum(line.read for line in result.books.lines if line.kind == "output") == len(result.outputs) == 30

    def test_an_audit_notices_a_count_that_was_changed(self) -> None:
        result = self.run("line")
        folder = Folder(result.folder)
        commit = folder.last_commit()
        assert commit is not None
        part = next(part for part in map(folder.part, commit.parts.values()) if 0 in part.counts)

        part.counts[0]["written"]["output"] += 1
        folder.write_part(part)

        assert [(line.name, line.written, line.read) for line in disagreeing(audit(folder).lines)] == [
            ("relay.input", 21, 20)
        ]

    def test_an_audit_notices_outputs_that_were_cut_short(self) -> None:
        result = self.run("line")
        [kept] = [path for path in (result.folder / "outputs").iterdir() if path.stat().st_size]

        os.truncate(kept, kept.stat().st_size - 1)

        with pytest.raises(StateError, match=f"{kept.name} is cut short"):
            audit(Folder(result.folder))

    def test_an_output_lost_on_its_way_to_the_disk_ends_in_exit_6(self) -> None:
        result = self.run("line", tampering="unspool")

        assert result.exit_code == 6
        assert [(line.kind, line.written - line.read) for line in disagreeing(result.books.lines)] == [("output", 1)]
