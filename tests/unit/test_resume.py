# SPDX-License-Identifier: Apache-2.0
"""Runs that go on from a checkpoint: where their cells live then, what stays on disk, what is set aside."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py import mappings
from d4py.engine.cell import Counters
from d4py.engine.link import Part
from d4py.engine.source import Position
from d4py.errors import StateError
from d4py.runs import Folder, lock
from d4py.runs.books import audit
from d4py.runs.outputs import Outputs

WORKFLOW = """\
import os
import pathlib
import signal
from dataclasses import dataclass

import d4py


@dataclass(frozen=True)
class Reading:
    value: int


@d4py.producer
def numbers(n: int = 60):
    yield from range(n)


@d4py.iterative
def reading(x: int):
    if x == 30 and not pathlib.Path(__file__).with_name("mended").exists():
        raise ValueError("not yet mended")
    return Reading(x)


workflow = numbers() >> reading()
"""

FATAL = """\
import os
import signal

import d4py


@d4py.producer
def numbers(n: int = 10):
    yield from range(n)


@d4py.iterative
def fatal(x: int):
    if x in (3, 7):
        os.kill(os.getpid(), signal.SIGKILL)
    return x


workflow = numbers() >> fatal()
"""

STOPPED = """\
import os
import signal
import time

import d4py


class Numbers(d4py.ProducerPE):
    def _process(self, _inputs=None):
        for number in range(60):
            if number == int(os.environ["STOP_AT"]):
                os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.01)
            yield number


class Live(Numbers):
    live = True


@d4py.iterative
def same(number):
    return number


workflow = {source}() >> same()
"""


def begun(folder: Path, mapping: str, **options: Any) -> mappings.Result:
    """Run the workflow until it fails in the middle."""
    (folder / "workflow.py").write_text(WORKFLOW)
    return d4py.run(str(folder / "workflow.py"), mapping, run_dir=folder / "run", check=False, **options)


@pytest.mark.parametrize(("first", "then"), [(2, 1), (2, 4), (3, 2)])
def test_a_resumed_run_places_the_same_cells_on_another_number_of_processes(
    tmp_path: Path, first: int, then: int
) -> None:
    begun(tmp_path, "multi", processes=first)
    before = Folder(tmp_path / "run").plan()
    (tmp_path / "mended").touch()

    result = mappings.resume(Folder(tmp_path / "run"), processes=then)

    after = Folder(tmp_path / "run").plan()
    assert result.exit_code == 0
    assert sorted(value.value for value in result.outputs.values()) == list(range(60))
    assert [cell.instances for cell in after.cells] == [cell.instances for cell in before.cells]
    assert max(cell.process for cell in after.cells) + 1 == min(then, len(after.cells))


def test_simple_refuses_a_run_that_has_several_cells_before_it_starts(tmp_path: Path) -> None:
    begun(tmp_path, "threads", processes=2)

    with pytest.raises(StateError, match="'simple' cannot continue a run that was begun on another"):
        mappings.resume(Folder(tmp_path / "run"), mapping="simple")
    assert Folder(tmp_path / "run").state().mapping == "threads"


def test_outputs_of_the_workflows_own_classes_are_read_where_it_was_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mended").touch()
    begun(tmp_path, "simple")
    monkeypatch.delitem(__import__("sys").modules, "d4py_workflow_workflow")
    folder = Folder(tmp_path / "run")

    assert [entry.value.value for entry in Outputs(folder)] == list(range(60))
    assert audit(folder).balanced


def test_two_items_that_kill_their_worker_are_both_set_aside(tmp_path: Path) -> None:
    (tmp_path / "workflow.py").write_text(FATAL)

    result = d4py.run(str(tmp_path / "workflow.py"), "multi", processes=2, on_error="quarantine", check=False)

    assert (result.exit_code, result.error) == (4, "")
    assert result.outputs.values("fatal") == [0, 1, 2, 4, 5, 6, 8, 9]
    assert result.books.quarantined == 2


def test_the_last_two_checkpoints_stay_on_disk(tmp_path: Path) -> None:
    slow = Slow()

    result = d4py.run(slow >> Last(), "threads", processes=2, checkpoint=0.01, run_dir=tmp_path / "run")

    commits = sorted((tmp_path / "run" / "commits").glob("*.json"))
    parts = list((tmp_path / "run" / "parts").glob("*.part"))
    assert result.outputs.values("Last") == [slow.wanted]
    assert len(commits) == 2
    assert len(parts) == 4


class Slow(d4py.ProducerPE):
    """Goes on until several checkpoints were made."""

    wanted = 5
    stateless = True

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def snapshot(self) -> Any:
        self.made += 1
        return super().snapshot()

    def _process(self, inputs: Any) -> Any:
        while self.made < self.wanted:
            yield self.made


class Last(d4py.GenericPE):
    """Writes the last value it saw."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.seen = -1

    def process(self, inputs: dict[str, Any]) -> None:
        self.seen = inputs["input"]

    def postprocess(self) -> None:
        self.write("output", self.seen + 1)


def test_a_run_is_in_the_hands_of_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    path = tmp_path / "wf.py"
    path.write_text(WORKFLOW)
    folder = Folder(d4py.run(str(path), check=False, run_dir=tmp_path / "run").folder)
    (tmp_path / "mended").touch()
    before = {file.name: file.read_bytes() for file in folder.path.iterdir() if file.is_file()}

    with lock.held(folder.path), pytest.raises(StateError, match=rf"is in the hands of process {os.getpid()} on "):
        mappings.resume(folder)
    assert {file.name: file.read_bytes() for file in folder.path.iterdir() if file.is_file()} == before

    assert mappings.resume(folder).exit_code == 0


def test_a_lock_that_a_dying_process_still_holds_is_waited_for(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    death = threading.Timer(0.2, os.close, [descriptor])
    death.start()

    with lock.held(tmp_path) as warnings:
        assert warnings == []
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def stopped(folder: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, bool]:
    """Go on until a number is made, and stop there; return the exit code, how much was written, and whether it is said to have come further."""
    monkeypatch.setenv("STOP_AT", str(at))
    if (folder / "run").exists():
        result = mappings.resume(Folder(folder / "run"))
    else:
        result = d4py.run(str(folder / "workflow.py"), "threads", processes=2, run_dir=folder / "run")
    return result.exit_code, next(iter(result.counts.values()))["written"], Folder(folder / "run").state().further


def test_a_start_that_only_writes_again_what_was_written_before_has_come_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes checkpoints all the same."""
    (tmp_path / "workflow.py").write_text(STOPPED.format(source="Numbers"))

    first, short, long, last = (stopped(tmp_path, at, monkeypatch) for at in (30, 3, 40, 99))

    assert (first[0], first[2]) == (5, True)
    assert short == (5, first[1], False)
    assert (long[0], long[2]) == (5, True)
    assert last == (0, 60, True)
    assert 30 <= first[1] < long[1] < 60
    assert Folder(tmp_path / "run").state().epoch >= 3


def test_a_part_that_holds_nothing_is_not_past_the_beginning() -> None:
    def part(written: int, position: Position) -> Part:
        return Part(1, 0, 1, Counters(), positions={0: position}, counts={0: {"written": {"output": written}}})

    assert not part(0, Position()).is_past(None)
    assert part(1, Position()).is_past(None)
    assert part(0, Position(calls=1)).is_past(None)
    assert not part(1, Position(offset=b"x")).is_past(part(1, Position(offset=b"x")))
    assert part(1, Position(offset=b"y")).is_past(part(1, Position(offset=b"x")))


def test_a_source_that_has_nothing_at_the_moment_is_no_reason_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workflow.py").write_text(STOPPED.format(source="Live").replace("yield number", "yield None"))

    assert stopped(tmp_path, 1, monkeypatch) == (5, 0, True)


def test_changes_that_were_accepted_are_those_of_the_run_from_then_on(tmp_path: Path) -> None:
    """And what is changed after that is refused anew."""
    file = tmp_path / "flow.py"
    file.write_text(WORKFLOW)
    folder = Folder(mappings.run(str(file), "simple", run_dir=tmp_path / "run", check=False).folder)
    file.write_text(f"{WORKFLOW}\n# edited")

    with pytest.raises(StateError, match="has changed"):
        mappings.resume(folder, check=False)
    mappings.resume(folder, accept_changes=True, check=False)
    mappings.resume(folder, check=False)
    file.write_text(f"{WORKFLOW}\n# edited again")

    with pytest.raises(StateError, match="has changed"):
        mappings.resume(folder, check=False)
