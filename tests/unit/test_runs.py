# SPDX-License-Identifier: Apache-2.0
"""A run's folder: generations, commits, state, requests; and books."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from d4py.engine.cell import Counters
from d4py.engine.coordinator import Commit
from d4py.engine.link import Part
from d4py.errors import StateError, Superseded, UnknownRun
from d4py.runs import Folder, State, Status, atomic, find, home, new_id, process
from d4py.runs.board import Board


def described(name: str) -> dict[str, object]:
    return {
        "id": name,
        "source": None,
        "digest": "",
        "mapping": "simple",
        "options": {},
        "on_error": None,
        "created": "2020-01-31T00:00:00Z",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.create(tmp_path / "run", described("r1"))


def commit(generation: int, epoch: int) -> Commit:
    return Commit(generation, epoch, {0: f"{generation:04d}-{epoch:06d}-00000"})


def test_a_folder_holds_one_run(folder: Folder) -> None:
    with pytest.raises(StateError, match=r"already holds a run. Continue it with d4py resume"):
        Folder.create(folder.path, described("r2"))


def test_a_generation_is_begun_by_one_process_only(folder: Folder) -> None:
    folder.begin_generation(1, None)

    with pytest.raises(StateError, match=r"Generation 1 of the run in .* was begun by another process"):
        folder.begin_generation(1, None)


def test_a_new_run_stands_at_its_start(folder: Folder) -> None:
    assert (folder.generation(), folder.last_commit()) == (0, None)
    folder.begin_generation(1, None)
    assert (folder.generation(), folder.last_commit()) == (1, None)


def test_a_run_stands_at_the_newest_commit_of_its_last_generation(folder: Folder) -> None:
    folder.begin_generation(1, None)
    for epoch in (1, 2, 10):
        folder.write_commit(commit(1, epoch))

    assert folder.last_commit() == commit(1, 10)


def test_a_generation_without_a_commit_stands_where_it_began(folder: Folder) -> None:
    folder.begin_generation(1, None)
    folder.write_commit(commit(1, 3))
    folder.begin_generation(2, commit(1, 3))

    assert folder.last_commit() == commit(1, 3)


def test_an_older_generation_can_commit_no_more_once_a_newer_one_was_begun(folder: Folder) -> None:
    folder.begin_generation(1, None)
    folder.write_commit(commit(1, 3))
    folder.begin_generation(2, commit(1, 3))

    with pytest.raises(Superseded, match="taken over by another process, which began generation 2"):
        folder.write_commit(commit(1, 4))

    assert folder.last_commit() == commit(1, 3)
    folder.write_commit(commit(2, 4))
    assert folder.last_commit() == commit(2, 4)


def test_a_commit_of_a_generation_that_was_begun_from_the_start_is_not_that_of_the_one_before(folder: Folder) -> None:
    folder.begin_generation(1, None)
    folder.write_commit(commit(1, 1))
    folder.begin_generation(2, None)

    assert folder.last_commit() is None


def test_a_part_is_found_again_and_a_final_one_is_known_by_its_key(folder: Folder) -> None:
    part = Part(2, 7, 3, Counters(read={1: 5}, finished=False), states={0: b"x"})
    last = Part(2, 8, 0, Counters(finished=True))

    keys = {7: folder.write_part(part), 8: folder.write_part(last)}

    assert folder.part(keys[7]) == part
    assert folder.finished_parts(Commit(2, 3, keys)) == {8: keys[8]}


def test_requests_are_told_apart(folder: Folder) -> None:
    for kind in ("suspend", "suspend", "cancel"):
        folder.request(kind)

    assert sorted(request.partition("-")[0] for request in folder.requests()) == ["cancel", "suspend", "suspend"]
    assert len(set(folder.requests())) == 3


def test_a_state_is_read_as_it_was_written_and_unknown_fields_are_left_out(folder: Folder) -> None:
    state = State(run="r1", status=Status.DONE, warnings=["w"], exit_code=0)
    folder.write_state(state)
    assert folder.state() == state

    atomic.write_json(folder.path / "state.json", {**state.to_json(), "added_later": 1})
    assert folder.state() == state


def test_a_running_run_whose_process_is_gone_is_lost_and_resumable(folder: Folder) -> None:
    folder.write_state(State(run="r1", status=Status.RUNNING, pid=os.getpid(), pid_start="1", host=process.here()))

    state = folder.state()

    assert (state.status, state.exit_code, state.error) == (Status.LOST, 5, "its process ended without a word")


def test_a_running_run_whose_process_lives_is_running(folder: Folder) -> None:
    mark = process.started(os.getpid())
    folder.write_state(State(run="r1", status=Status.RUNNING, pid=os.getpid(), pid_start=mark, host=process.here()))

    assert folder.state().status is Status.RUNNING


def test_a_run_on_another_host_is_believed(folder: Folder) -> None:
    folder.write_state(State(run="r1", status=Status.RUNNING, pid=1, pid_start="1", host="another-host"))

    assert (folder.state().status, folder.state().error) == (Status.RUNNING, "")


def test_a_run_on_another_host_that_gives_no_sign_of_life_is_told_of(folder: Folder) -> None:
    folder.write_state(State(run="r1", status=Status.RUNNING, pid=1, pid_start="1", host="another-host"))
    os.utime(folder.path / "state.json", (time.time() - 90,) * 2)

    state = folder.state()

    assert state.status is Status.RUNNING
    assert re.fullmatch(
        f"no sign of life from another-host for 9[0-9] s; if its job is over: d4py resume {folder.path} --gone",
        state.error,
    )


@pytest.mark.parametrize("host", ["", "another"])
def test_a_running_run_that_left_its_failure_has_failed(folder: Folder, host: str) -> None:
    folder.write_state(State("r1", status=Status.RUNNING, generation=2, pid=os.getpid(), host=host or process.here()))
    folder.write_failure(1, "PE 'B' raised", "Traceback")
    told = [folder.write_failure(2, f"PE {pe!r} raised", "Traceback") for pe in "AB"]

    state = folder.state()

    assert told == [True, False]
    assert (state.status, state.exit_code) == (Status.FAILED, 3)
    assert (state.error, state.traceback) == ("PE 'A' raised", "Traceback")
    assert state.ended


@pytest.mark.parametrize(
    ("status", "generation"), [(Status.RUNNING, 3), (Status.STARTING, 2), (Status.DONE, 2), (Status.STOPPED, 2)]
)
def test_a_failure_says_nothing_of_another_start_or_of_a_run_that_has_ended(
    folder: Folder, status: Status, generation: int
) -> None:
    folder.write_state(
        State("r1", status=status, generation=generation, pid=os.getpid(), host=process.here(), exit_code=0)
    )
    folder.write_failure(2, "PE 'A' raised", "Traceback")

    assert (folder.state().status, folder.state().error) == (status, "")


@pytest.mark.parametrize("name", ["run.json", "state.json", "plan.json"])
def test_a_damaged_file_is_named(folder: Folder, name: str) -> None:
    (folder.path / name).write_text("{ not json")
    read = {"run.json": folder.description, "state.json": folder.state, "plan.json": folder.plan}[name]

    with pytest.raises(StateError, match=f"{name} is damaged"):
        read()


def test_a_folder_of_another_version_is_refused(folder: Folder) -> None:
    atomic.write_json(folder.path / "run.json", {**described("r1"), "version": 99})

    with pytest.raises(StateError, match="has format 99; this d4py reads 1"):
        folder.description()


def test_a_folder_that_is_no_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"has no state.json: it is not a run's folder"):
        Folder(tmp_path).state()


def test_a_run_is_found_by_its_id_by_the_start_of_it_and_by_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("20200101-aaa", "20200101-aab", "20200202-ccc"):
        Folder.create(home() / name, described(name))

    assert find("20200202").run_id == "20200202-ccc"
    assert find("20200101-aaa").run_id == "20200101-aaa"
    assert find(str(home() / "20200101-aab")).run_id == "20200101-aab"
    with pytest.raises(UnknownRun, match="The run '20200101' fits 2 runs"):
        find("20200101")
    with pytest.raises(UnknownRun, match=r"There is no run '20200202-ccd'. Did you mean '20200202-ccc'\?"):
        find("20200202-ccd")


def test_ids_of_one_second_differ() -> None:
    assert len({new_id() for _ in range(50)}) == 50


def test_an_atomic_write_leaves_the_old_file_or_the_new_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write(path, b"old")

    def dies(*_: object) -> None:
        raise OSError("power cut")

    monkeypatch.setattr("d4py.runs.atomic.os.replace", dies)
    with pytest.raises(OSError, match="power cut"):
        atomic.write(path, b"new")

    assert path.read_bytes() == b"old"


def test_a_board_that_is_made_anew_leaves_the_old_one_to_those_who_look_at_it(tmp_path: Path) -> None:
    old = Board(tmp_path / "board", 2, 1, create=True)
    old.publish(1, 7, 8, 9)
    new = Board(tmp_path / "board", 2, 1, create=True)

    assert old.counts(1) == (7, 8, 9)
    assert new.counts(1) == (0, 0, 0)
    old.close()
    new.close()
