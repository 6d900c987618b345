# SPDX-License-Identifier: Apache-2.0
"""A run whose disk is full stops where it can go on from; nothing is lost, and nobody is told that it is done."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, Call, eventually
from tests.slurm.test_runs import outputs, state

LARGE = """
import d4py

@d4py.producer
def numbers(n: int = 3000):
    yield from range(n)

@d4py.iterative
def large(number: int) -> str:
    return f"{number:04} " + "x" * 1000

workflow = numbers() >> large()
"""


@pytest.fixture
def folder(cluster: Cluster) -> Iterator[Path]:
    """A run's folder on a disk of 1 MB."""
    for path in cluster.small.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    cluster.resize("1m")
    yield cluster.small / "run"
    eventually(lambda: "d4py-run" not in cluster.call("squeue", "--noheader", "--format=%j"), "its job to end")


def test_a_run_whose_disk_is_full_says_so_and_gives_the_whole_answer_when_there_is_room(
    call: Call, here: Path, cluster: Cluster, folder: Path
) -> None:
    (here / "large.py").write_text(LARGE)
    words = f"submit --slurm large.py --profile debian-test --nodes 2 --ntasks-per-node 2 --time 10 --run-dir {folder}"

    assert call(words).code == 0
    waited = call(["wait", str(folder)])
    status = call(["status", str(folder)])
    logs = call(["logs", str(folder)])

    assert waited.code == 5
    assert re.search(
        r"stopped \(exit code 5; .*spool cannot be written: No space left on device. Make room", status.out
    )
    assert re.search(r"No space left on device. Make room. Continue: d4py resume ", logs.out)
    cluster.resize("64m")
    assert call(["resume", str(folder)]).code == 0
    assert call(["wait", str(folder)]).code == 0
    lines = call(["outputs", str(folder), "-o", "json"]).out.splitlines()
    assert sorted(json.loads(line)["value"] for line in lines) == [
        f"{number:04} {'x' * 1000}" for number in range(3000)
    ]


def test_a_disk_on_which_not_a_byte_is_left_ends_a_run_that_can_be_resumed(
    call: Call, here: Path, cluster: Cluster, folder: Path
) -> None:
    gate = here / "gate"
    words = f"submit --slurm wf.py --profile debian-test --nodes 2 --ntasks-per-node 2 --time 10 --run-dir {folder}"
    assert call(f"{words} --set gate={gate} --checkpoint 0.2").code == 0
    eventually(lambda: list((folder / "commits").glob("e*.json")), "a checkpoint")

    def over() -> bool:
        """Take what a checkpoint has just given back, too."""
        fill(cluster)
        return state(call, str(folder))["status"] not in ("starting", "running")

    fill(cluster)
    gate.touch()
    eventually(over, "the run to end")
    waited = call(["wait", str(folder)])
    status = call(["status", str(folder)])

    assert waited.code == 5
    assert "without a word: there is no space left on the device of its folder. Make room" in status.out
    cluster.resize("64m")
    assert call(["resume", str(folder)]).code == 0
    assert call(["wait", str(folder)]).code == 0
    assert outputs(call, str(folder)) == ANSWER


def test_a_disk_that_is_full_before_the_job_begins_leaves_a_run_that_can_be_begun(
    call: Call, here: Path, cluster: Cluster, folder: Path
) -> None:
    cluster.call("scontrol", "update", "partition=short", "state=down")
    assert call(f"submit --slurm wf.py --profile generic --partition short --run-dir {folder}").code == 0
    fill(cluster)
    cluster.call("scontrol", "update", "partition=short", "state=up")

    waited = call(["wait", str(folder)])
    status = call(["status", str(folder)])

    assert waited.code == 5
    assert not (folder / "run.json").exists()
    assert "no space left on the device of its folder. Make room" in status.out
    cluster.resize("64m")
    assert call(["resume", str(folder)]).code == 0
    assert call(["wait", str(folder)]).code == 0
    assert outputs(call, str(folder)) == ANSWER


def fill(cluster: Cluster) -> None:
    """Take all that is left of the small disk."""
    with open(cluster.small / "ballast", "ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
