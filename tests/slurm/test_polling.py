# SPDX-License-Identifier: Apache-2.0
"""Slurm is asked now and then only: the controller is everybody's. The clock and squeue are played."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from d4py.runs import Folder, Status
from d4py.runs.submission import Submission
from d4py.targets.slurm import status
from d4py.targets.slurm.commands import SlurmError
from d4py.targets.slurm.status import Watcher

HOUR = 3600


class Played:
    """A clock that only goes when it is told, and a squeue."""

    def __init__(self, folder: Folder) -> None:
        self.folder, self.now = folder, 1_000_000.0
        self.said = "RUNNING"
        self.asked: list[float] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    time = monotonic

    def queued(self, *jobs: str) -> dict[str, tuple[str, str]]:
        """Say how jobs are doing."""
        self.asked.append(self.now)
        if self.said == "silent":
            raise SlurmError("squeue does not answer.")
        return {job: (self.said, "None") for job in jobs if self.said}

    def beat(self, **state: object) -> None:
        """Let the run write its state."""
        path = self.folder.path / "state.json"
        path.write_text(json.dumps({"run": "r", "status": "running", "pid": 1, "host": "elsewhere", **state}))
        os.utime(path, (self.now, self.now))


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A run that was sent an hour ago."""
    played = Played(Folder(tmp_path))
    sent = Submission(run="r", target="slurm", workflow="wf", mapping="mpi", created="", jobs=["7"])
    sent.write(tmp_path)
    (tmp_path / "job").mkdir()
    for path in (tmp_path / "submission.json", tmp_path / "job"):
        os.utime(path, (played.now - HOUR, played.now - HOUR))
    monkeypatch.setattr(status, "time", played)
    monkeypatch.setattr(status, "queued", played.queued)
    monkeypatch.setattr(status, "accounted", lambda *jobs: {})
    return played


def watched(slurm: Played, watcher: Watcher, seconds: int, *, beats: bool = False) -> Status:
    """Look four times a second, as who waits does; return what is seen last."""
    for tick in range(4 * seconds):
        slurm.now += 0.25
        if beats and tick % 20 == 0:
            slurm.beat()
        seen = watcher.state().status
    return seen


def test_slurm_is_not_asked_of_a_run_that_shows_that_it_runs(slurm: Played) -> None:
    slurm.beat()

    assert watched(slurm, Watcher(slurm.folder), HOUR // 4, beats=True) is Status.RUNNING
    assert slurm.asked == []


def test_a_run_that_shows_nothing_any_more_is_missed_soon(slurm: Played) -> None:
    slurm.beat()
    slurm.said = ""

    assert watched(slurm, Watcher(slurm.folder), 15) is Status.RUNNING
    assert watched(slurm, Watcher(slurm.folder), 1) is Status.LOST


def test_who_would_be_sure_asks_of_a_run_that_shows_that_it_runs(slurm: Played) -> None:
    slurm.beat()

    Watcher(slurm.folder, sure=True).state()

    assert len(slurm.asked) == 1


@pytest.mark.parametrize("said", ["PENDING", "silent"])
def test_the_longer_a_job_waits_the_less_slurm_is_asked(said: str, slurm: Played) -> None:
    slurm.said = said

    watched(slurm, Watcher(slurm.folder), HOUR)

    pauses = [later - before for before, later in zip(slurm.asked, slurm.asked[1:], strict=False)]
    assert pauses[0] <= 4.5
    assert set(pauses[10:]) == {30.0}
    assert len(slurm.asked) < 130


def test_a_job_that_says_that_it_ended_is_asked_for_at_once(slurm: Played) -> None:
    slurm.said = "PENDING"
    watcher = Watcher(slurm.folder)
    assert watched(slurm, watcher, HOUR) is Status.QUEUED

    slurm.said = "COMPLETED"
    (slurm.folder.path / "job/exit.7").write_text("2\n")
    os.utime(slurm.folder.path / "job/exit.7", (slurm.now, slurm.now))

    assert watched(slurm, watcher, 1) is Status.FAILED


def test_a_job_that_was_cancelled_while_it_waited_is_missed_within_a_minute(slurm: Played) -> None:
    slurm.said = "PENDING"
    watcher = Watcher(slurm.folder)
    watched(slurm, watcher, HOUR)

    slurm.said = ""

    assert watched(slurm, watcher, 60) is Status.LOST
