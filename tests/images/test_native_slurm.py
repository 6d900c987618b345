# SPDX-License-Identifier: Apache-2.0
"""The job of a run in an image: what it would start, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.images.conftest import SQUARES, Place


def test_the_job_enters_the_image_that_was_built(shared: Place, write: Callable[..., Path]) -> None:
    root = write(toml='requirements = ["d4py[mpi]"]\n')
    shared.build(root, "-t", "sent:1")
    words = ["submit", "--slurm", root, "--env", "image", "--image", "sent:1", "--ntasks-per-node", "2", "--dry-run"]

    script = shared.d4py(*words).stdout

    (begin,) = [line for line in script.splitlines() if line.lstrip().startswith("set -- ch-run") and " run " in line]
    folder = shared.path / "cache/d4py/unpacked" / shared.image("sent:1").digest.partition(":")[2]
    assert f" {folder} -- /opt/d4py/bin/python -m d4py.cli.main run " in begin
    assert begin.endswith(" -- /opt/d4py/workflows/squares")
    assert ' --join-ct=2 --join-tag="d4py-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}" ' in begin
    assert (folder / "opt/d4py/workflows/squares/workflow.py").read_text() == SQUARES

    (root / "workflow.py").write_text(SQUARES + "\n# changed\n")
    assert "is of another state of " in shared.d4py(*words, code=2).stderr


def test_ranks_are_not_sent_into_an_image_without_mpi4py(shared: Place, write: Callable[..., Path]) -> None:
    root = write(name="alone")
    shared.build(root, "-t", "alone:1")
    words = ["submit", "--slurm", root, "--env", "image", "--image", "alone:1", "--dry-run"]

    assert "The image 'alone:1' has no mpi4py" in shared.d4py(*words, code=2).stderr
    assert "ch-run" in shared.d4py(*words, "--mapping", "multi").stdout


def test_an_image_that_is_not_there_or_not_asked_for(shared: Place, write: Callable[..., Path]) -> None:
    words = ["submit", "--slurm", write(), "--dry-run", "--image", "absent:1"]

    assert "There is no image 'absent:1'" in shared.d4py(*words, "--env", "image", code=2).stderr
    assert "Add --env image." in shared.d4py(*words, code=2).stderr
