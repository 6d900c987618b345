# SPDX-License-Identifier: Apache-2.0
"""Limits that the page states and that are easy to see. A limit that was lifted must leave the page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py import mappings
from d4py.errors import PlanError, StateError
from d4py.plan.keys import partition_of
from d4py.runs import Folder

HEAD = """\
import os
import pathlib
import signal

import d4py


def once(name):
    mark = pathlib.Path(__file__).with_name(name)
    first = not mark.exists()
    mark.touch()
    return first

"""
FATAL = """
@d4py.producer
def numbers(n: int = 10):
    yield from range(n)

@d4py.iterative
def fatal(x: int):
    if x in FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
    return x

workflow = numbers() >> fatal()
"""
SPOOLED = """
class Numbers(d4py.ProducerPE):
    replay = "spool"
    live = True

    def _process(self, inputs):
        yield from range(5)

class Fatal(d4py.IterativePE):
    name = "fatal"

    def _process(self, x):
        if x == 3 and once("died"):
            os.kill(os.getpid(), signal.SIGKILL)
        return x

workflow = Numbers() >> Fatal()
"""


class Total(d4py.IterativePE):
    """Keeps a sum, and adds before it fails."""

    total = 0

    def _process(self, inputs: Any) -> Any:
        self.total += inputs
        if inputs == 2 and self.total < 4:
            raise ValueError(inputs)
        return self.total


@d4py.producer
def numbers(n: int = 3) -> Iterator[int]:
    yield from range(n)


def ran(folder: Path, text: str, **options: Any) -> mappings.Result:
    (folder / "workflow.py").write_text(HEAD + text)
    return d4py.run(str(folder / "workflow.py"), mapping="multi", run_dir=folder / "run", check=False, **options)


def test_a_keyed_pe_has_at_most_256_instances() -> None:
    total = Total(numprocesses=257)
    total._add_input("input", grouping=[0])

    with pytest.raises(PlanError, match="a keyed PE can have 256"):
        d4py.run(numbers() >> total, mapping="threads")


def test_all_nan_are_one_key() -> None:
    assert partition_of(math.nan) == partition_of(float("-nan"))


def test_a_run_of_a_graph_from_python_cannot_be_resumed(tmp_path: Path) -> None:
    result = d4py.run(numbers() >> Total(), run_dir=tmp_path / "run", check=False)

    assert result.exit_code == 3
    with pytest.raises(StateError, match="was started from Python"):
        mappings.resume(Folder(tmp_path / "run"))


def test_a_retry_does_not_undo_what_the_failed_try_did_to_the_pe(tmp_path: Path) -> None:
    result = d4py.run(numbers() >> Total(), on_error={"Total": "retry:1@0.001"})

    assert result.outputs.values("Total") == [0, 1, 5]


def test_a_death_is_blamed_on_no_item_where_writer_and_reader_share_a_process(tmp_path: Path) -> None:
    result = ran(tmp_path, "FATAL = {3}" + FATAL, processes=1, on_error="quarantine")

    assert result.exit_code == 3
    assert "That was restart 4" in result.error


def test_a_live_source_with_a_spool_begins_again_after_what_was_spooled(tmp_path: Path) -> None:
    result = ran(tmp_path, SPOOLED, processes=2)

    values = result.outputs.values()
    assert result.exit_code == 0
    assert values[-5:] == [0, 1, 2, 3, 4]
    assert len(values) > 5
