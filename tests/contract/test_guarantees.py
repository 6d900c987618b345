# SPDX-License-Identifier: Apache-2.0
"""What the mappings declare as their guarantees beyond the contract: who runs at once, how arrays travel, how much is under way."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import d4py

MEETING = '''\
import os
import d4py

@d4py.producer
def sides(path: str):
    yield path, os.O_RDONLY
    yield path, os.O_WRONLY

@d4py.iterative
def meet(side):
    """Opening one end of a pipe waits until somebody opens the other."""
    os.close(os.open(*side))
    return os.getpid()

workflow = sides() >> meet()
'''

ARRAYS = """\
import d4py
import numpy as np

@d4py.producer
def ramps(n: int = 60):
    for number in range(n):
        yield np.arange(100_000.0) + number

class Look(d4py.IterativePE):
    def _process(self, ramp):
        address = ramp.__array_interface__["data"][0]
        with open("/proc/self/maps") as maps:
            (place,) = (line for line in maps if inside(address, line.split()[0]))
        return ramp[0], address, "d4py-arena" in place

def inside(address, area):
    first, last = (int(end, 16) for end in area.split("-"))
    return first <= address < last

workflow = ramps() >> Look()
"""


NOTES: list[
    tuple[str, Any, int]
] = []  # made or seen, the array itself, the thread; a run works on copies of PEs, so it is here


class Ramps(d4py.ProducerPE):
    """A source that notes what it has made."""

    def _process(self, inputs: Any) -> Iterator[Any]:
        for _ in range(3):
            ramp = np.arange(100_000.0)
            NOTES.append(("made", ramp, threading.get_ident()))
            yield ramp


class See(d4py.ConsumerPE):
    """A sink that notes what it has seen."""

    def _process(self, inputs: Any) -> None:
        NOTES.append(("seen", inputs, threading.get_ident()))


@pytest.fixture(params=["simple", "threads"])
def mapping(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def watched(mapping: str) -> list[tuple[str, Any, int]]:
    """Run three arrays from a source to a sink; return what they noted."""
    NOTES.clear()
    result = d4py.run(Ramps() >> See(), mapping=mapping, processes=2)
    assert result.exit_code == 0
    assert len(NOTES) == 6
    return list(NOTES)


def test_simple_runs_every_pe_in_the_callers_thread() -> None:
    assert {thread for _, _, thread in watched("simple")} == {threading.get_ident()}


def test_simple_has_one_item_under_way() -> None:
    assert [kind for kind, _, _ in watched("simple")] == ["made", "seen"] * 3


def test_arrays_are_passed_by_reference_within_one_process(mapping: str) -> None:
    notes = watched(mapping)
    made = [array for kind, array, _ in notes if kind == "made"]
    seen = [array for kind, array, _ in notes if kind == "seen"]

    assert [one is other for one, other in zip(made, seen, strict=True)] == [True] * 3


def test_threads_runs_instances_at_once_where_they_release_the_lock(tmp_path: Path) -> None:
    meeting = threading.Barrier(2)

    @d4py.producer
    def sides() -> Iterator[int]:
        yield from range(2)

    @d4py.iterative
    def meet(side: int) -> int:
        meeting.wait(timeout=30)  # until another instance is in this line, too
        return side

    result = d4py.run(sides() >> meet(), mapping="threads", processes=3)

    assert sorted(result.outputs.values("meet")) == [0, 1]


def test_multi_runs_instances_at_once_in_processes_of_their_own(tmp_path: Path) -> None:
    workflow = tmp_path / "meeting.py"
    workflow.write_text(MEETING)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    result = d4py.run(str(workflow), mapping="multi", processes=3, parameters={"path": str(pipe)})

    assert len(set(result.outputs.values("meet"))) == 2


def test_multi_reads_arrays_in_place_in_few_slots_of_shared_memory(tmp_path: Path) -> None:
    workflow = tmp_path / "arrays.py"
    workflow.write_text(ARRAYS)

    result = d4py.run(str(workflow), mapping="multi", processes=2)

    seen = result.outputs.values("Look")
    assert [first for first, _, _ in seen] == list(range(60))
    assert {shared for _, _, shared in seen} == {True}
    assert len({address for _, address, _ in seen}) <= 16
