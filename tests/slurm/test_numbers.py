# SPDX-License-Identifier: Apache-2.0
"""Tests that are killed leave no Slurm behind which the next would stumble over."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import eventually
from tests.slurm.numbers import NAME, ROOM, held

from d4py.runs import process

ROOT = Path(__file__).parents[2]
KILLED = """
import os, sys, tempfile
from pathlib import Path
from tests.slurm import cluster
from tests.slurm.numbers import NAME, ROOM, held

cluster.DIES = cluster.DIES if sys.argv[1] == "die" else ()
with held(16) as number:
    slurm = cluster.Cluster(Path(tempfile.mkdtemp(prefix=NAME, dir=ROOM)), number, nodes=1)
    slurm.up()
    slurm.call("sbatch", "--output=/dev/null", "--wrap=sleep 600")
    while slurm.states() != ["mix"]:
        pass
    print(number.value, slurm.root, *(process.pid for process in slurm.processes.values()), flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("daemons", ["die", "stay"])
def test_the_next_to_hold_the_number_of_a_slurm_whose_tests_were_killed_has_one(daemons: str) -> None:
    left = subprocess.run(
        [sys.executable, "-c", KILLED, daemons], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    number, root, *pids = left.stdout.split()

    def alive() -> list[str]:
        return [pid for pid in pids if process.started(int(pid))]

    if daemons == "stay":
        assert len(alive()) == 3
    else:
        eventually(lambda: not alive(), "the daemons to die")

    with held(16) as taken, held(16) as another, tempfile.TemporaryDirectory(prefix=NAME, dir=ROOM) as folder:
        assert (taken.value, another.value > taken.value) == (int(number), True)
        assert not alive()
        assert not Path(root).exists()
        slurm = Cluster(Path(folder), taken, nodes=1)
        try:
            slurm.up()
            assert slurm.states() == ["idle"]
        finally:
            slurm.down()
