# SPDX-License-Identifier: Apache-2.0
"""What the contract is made of: faults that strike as often as told, gates, waiting, tampering that is undone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d4py.engine.cell import Act, CellMachine, MissingFrame
from d4py.engine.outlet import Choice, Lane, Outlet
from d4py.engine.taking import Taking
from d4py.runs.spool import Spool
from d4py.testing import Fault, Loaded, Numbers, eventually, opened, settled, tamper


def fault(scratch: Path, **fields: Any) -> Fault:
    return Fault(**{"do": "raise", "at": "relay", "item": 3, "scratch": str(scratch), **fields})


def strikes(planted: Fault) -> bool:
    try:
        planted.strike()
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(("times", "expected"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (0, [1, 1, 1])])
def test_a_fault_strikes_as_often_as_told(tmp_path: Path, times: int, expected: list[int]) -> None:
    assert [strikes(fault(tmp_path, times=times)) for _ in range(3)] == [bool(one) for one in expected]


def test_a_fault_strikes_only_where_it_is_planted(tmp_path: Path) -> None:
    item = Loaded(3, (fault(tmp_path),))

    assert (opened(item, "sink"), opened(7, "relay")) == (3, 7)
    with pytest.raises(ValueError, match="relay-process-3 is poison"):
        opened(item, "relay")


@pytest.mark.parametrize(("do", "signal"), [("crash", -9), ("segfault", -11)])
def test_a_fault_kills_its_own_process(tmp_path: Path, do: str, signal: int) -> None:
    code = f"from d4py.testing import Fault; Fault(do={do!r}, at='x', scratch={str(tmp_path)!r}).strike()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).returncode == signal


def test_a_source_writes_the_same_each_time_and_waits_at_a_gate_without_holding_anybody_up(tmp_path: Path) -> None:
    planted = [fault(tmp_path, do="pause", at="numbers", item=1), fault(tmp_path, item=2)]
    source = Numbers("numbers", 3, planted)
    stream = source.process({})

    assert [next(stream) for _ in range(3)] == [{"output": 0}, None, None]
    assert (tmp_path / "at-numbers-process-1").exists()
    (tmp_path / "go-numbers-process-1").touch()
    rest = [{"output": 1}, {"output": Loaded(2, (planted[1],))}]
    assert [entry for entry in stream if entry] == rest
    assert [entry for entry in source.process({}) if entry] == [{"output": 0}, *rest]


def test_waiting_ends_with_what_was_looked_for_or_says_what_was_seen_last() -> None:
    seen = iter([0, 0, 7])

    assert eventually(lambda: next(seen)) == 7
    with pytest.raises(TimeoutError, match=r"not within 0.01 s: the run to end .last seen: 0."):
        eventually(lambda: 0, within=0.01, what="the run to end")


def test_settled_waits_until_nothing_changes() -> None:
    seen = iter([1, 2, 3])

    assert settled(lambda: next(seen, 3), quiet=0.02) == 3


@pytest.mark.parametrize("kind", [*tamper.OTHERS, *(f"{name} data first" for name in tamper.FRAMES)])
def test_tampering_is_undone(tmp_path: Path, kind: str) -> None:
    before = CellMachine.arrive, Taking._each, Spool.append

    tamper.install(kind, str(tmp_path))
    during = CellMachine.arrive, Taking._each, Spool.append
    tamper.undo()

    assert during != before
    assert (CellMachine.arrive, Taking._each, Spool.append) == before


@pytest.fixture
def undone() -> Iterator[None]:
    yield
    tamper.undo()


@pytest.mark.usefixtures("undone")
@pytest.mark.parametrize("slow", [2, 100])
def test_an_end_mark_overtakes_what_came_before_it_though_the_reader_allows_less_by_then(
    tmp_path: Path, slow: int
) -> None:
    """What is held back is not acknowledged, and must leave the writer credit for what sets it free. slow: from which item on the reader is."""
    tamper.install("reorder end first", str(tmp_path))
    reader, outlet = CellMachine([0], [1], window=16), Outlet(0, 1)
    lane = Lane([outlet], Choice.ONE)
    lane.buffer = list(range(200))

    while lane.buffer:
        frames = lane.cut()
        assert frames, f"the writer waits for ever with {len(lane.buffer)} items"
        for frame in frames:
            reader.arrive(frame)
        while (step := reader.decide()).frame is not None:
            inlet = reader.done(step.frame)
            outlet.acknowledge(step.frame.number, inlet.grant(1.0 if inlet.count > slow else 0.0))
    assert step.act is Act.WAIT

    with pytest.raises(MissingFrame):
        reader.arrive(outlet.end())


def test_nothing_but_the_contract_needs_pytest() -> None:
    code = "import sys, d4py.testing, d4py.testing.workflows; print('pytest' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True) == "False\n"
