# SPDX-License-Identifier: Apache-2.0
"""A job whose time is over is requeued and goes on. It has had the time of all tests before this one."""

from __future__ import annotations

import json

from tests.slurm.conftest import ANSWER, Cut, eventually
from tests.slurm.test_runs import done, outputs, state


def test_a_job_whose_time_is_over_is_requeued_and_goes_on(cut: Cut) -> None:
    call, run, here = cut
    folder = here / "state" / "d4py" / "runs" / run.removeprefix("slurm://")

    eventually(lambda: int(str(state(call, run)["generation"])) >= 2, "it to go on", within=240)
    (here / "gate").touch()

    eventually(
        lambda: state(call, run)["status"] == "done", "its end", within=240
    )  # it may wait to be requeued once more
    done(call, run)
    assert outputs(call, run) == ANSWER
    assert len(json.loads((folder / "submission.json").read_text())["jobs"]) == 1
    assert not (folder / "job" / "ids").exists()
