# SPDX-License-Identifier: Apache-2.0
"""Who waits looks without a nap where its node has a processor for each rank, however ranks are bound; else it leaves them to those who work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.mpi.installed import Mpi, installed

CROWDED = """
import os, sys
from mpi4py import MPI
from d4py.mappings.mpi.rank import _crowded

first, second = map(int, sys.argv[1:])
world = MPI.COMM_WORLD
told = []
for places in ([{first}, {second}], [{first}, {first}], [{first, second}] * 2):
    os.sched_setaffinity(0, places[world.rank])
    told.append(_crowded(world))
all_told = world.gather(told)
if world.rank == 0:
    print(all_told)
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor")
def test_two_ranks_are_crowded_on_one_processor_and_not_on_one_each(mpi: Mpi, here: Path) -> None:
    Path("crowded.py").write_text(CROWDED)
    two = [str(number) for number in sorted(os.sched_getaffinity(0))[:2]]

    told = mpi.run([mpi.mpiexec, "-n", "2", mpi.python, "-m", "mpi4py", "crowded.py", *two])

    assert told.stdout.strip() == "[[False, True, False], [False, True, False]]", told.stderr


WORK = 2.0  # seconds of processor time of the rank that works
IDLE = """
import json, time
import d4py

@d4py.producer
def works(seconds: float):
    until = time.process_time() + seconds
    while time.process_time() < until:
        sum(range(10_000))
    yield 0

class Waits(d4py.GenericPE):
    def __init__(self, number):
        super().__init__()
        self._add_input("input", grouping="all")
        self.numprocesses = number

    def preprocess(self):
        self.began = time.process_time()

    def process(self, inputs):
        with open(f"used-{self.rank}", "w") as file:
            json.dump(time.process_time() - self.began, file)

def configure(idle: int, seconds: float):
    return works(seconds=seconds) >> Waits(idle)
"""


def test_ranks_that_wait_leave_the_processors_to_one_that_works(here: Path) -> None:
    """One that only looked would use as much as one that works, however busy the machine is; of Open MPI's, which yield, a third."""
    mpi = installed("mpich")
    Path("idle.py").write_text(IDLE)
    idle = len(os.sched_getaffinity(0)) + 1
    words = ("--mapping", "mpi", "--set", f"idle={idle}", "--set", f"seconds={WORK}", "-q")

    told = mpi.run(mpi.command(idle + 1, "run", "idle.py", *words))

    assert told.returncode == 0, told.stderr
    used = [json.loads(path.read_text()) for path in Path().glob("used-*")]
    assert len(used) == idle
    assert max(used) < WORK / 4, used
