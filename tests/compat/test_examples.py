# SPDX-License-Identifier: Apache-2.0
"""dispel4py's own example programs, run by our command, do what the original does: outputs, instances, iterations."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.compat.programmes import ITERATIONS, MULTI, PROGRAMS, read

RECORD: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "record.json").read_text())["programs"]
# What is drawn by lot: how many values there are is compared, not which; of what a filter lets through not even that.
DRAWN = {"group_by", "group_by_stateful", "word_count"}
FILTERED = {"grouping_split_merge": "WordCounter3", "word_count_filter": "WordCounter2"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_simple_gives_the_outputs_of_the_original(program: str, old: Any, examples: Path) -> None:
    told = old("simple", f"dispel4py.examples.graph_testing.{program}", "-i", str(ITERATIONS), path=examples)
    ours, theirs = read(told.out)["outputs"], RECORD[program]["simple"]["outputs"]

    assert (told.code, told.err) == (0, "")
    assert f"Processing {ITERATIONS} iterations." in told.out
    assert "SimplePE: Processed 1 iteration." in told.out
    if program in FILTERED:
        assert set(ours) <= {FILTERED[program]}
    elif program in DRAWN:
        assert shape(ours) == shape(theirs)
    else:
        assert as_multisets(ours) == as_multisets(theirs)


@pytest.mark.parametrize("options", MULTI, ids=" ".join)
@pytest.mark.parametrize("program", PROGRAMS)
def test_multi_has_the_instances_and_iterations_of_the_original(
    program: str, options: list[str], old: Any, examples: Path
) -> None:
    module = f"dispel4py.examples.graph_testing.{program}"
    told = old("multi", module, "-i", str(ITERATIONS), *options, path=examples)
    ours, theirs = read(told.out), RECORD[program][f"multi {' '.join(options)}"]

    assert (told.code, told.err) == (0, "")
    assert sum(ours["iterations"].values()) > 0
    if "fails" in theirs:
        return  # ours does not: that is the difference
    assert ours["instances"] == theirs["instances"]
    if program not in FILTERED and "iterations" in theirs:
        assert ours["iterations"] == theirs["iterations"]


def test_the_record_holds_every_program_on_both_mappings() -> None:
    assert {program: len(told) for program, told in RECORD.items()} == dict.fromkeys(PROGRAMS, 1 + len(MULTI))
    assert sum("outputs" in told["simple"] for told in RECORD.values()) == len(PROGRAMS)


def shape(outputs: dict[str, dict[str, list[Any]]]) -> dict[str, dict[str, int]]:
    """Return how many values there are."""
    return {pe: {name: len(values) for name, values in own.items()} for pe, own in outputs.items()}


def as_multisets(outputs: dict[str, dict[str, list[Any]]]) -> dict[str, dict[str, Counter[str]]]:
    """Return the values without their order, which is not defined between channels."""
    return {pe: {name: Counter(map(repr, values)) for name, values in own.items()} for pe, own in outputs.items()}
