# SPDX-License-Identifier: Apache-2.0
"""Of several ranks that know of a failure one tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from d4py.engine.failure import describe
from d4py.mappings.mpi import failing
from d4py.runs import Folder

FAILURE = describe(ValueError("no"), pe="A", instance="A", during="process")


class World:
    """An MPI that notes with which code it is ended."""

    ended: int | None = None

    def Abort(self, code: int) -> None:
        self.ended = code


@pytest.mark.parametrize(
    ("told", "ends", "says", "code"),
    [(False, False, 1, 3), (True, True, 0, None), (True, False, 0, 3)],
    ids=["nobody else", "who told it ends the job", "who told it does nothing more"],
)
def test_a_rank_that_waits_in_vain_tells_what_nobody_has_told_and_ends_the_job(
    told: bool,
    ends: bool,
    says: int,
    code: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(failing, "_PATIENCE", 0.0)
    monkeypatch.setattr(failing, "_MORE", 0.01)
    world, folder = World(), Folder(tmp_path)
    if told:
        folder.write_failure(1, "PE 'A' raised", "")
    rank = failing.Failing(world, folder, 1)
    if ends:
        rank.over()

    rank.begin(FAILURE)
    assert rank._ends is not None
    rank._ends.join()

    assert capfd.readouterr().err.count("d4py: error: ") == says
    assert world.ended == code
