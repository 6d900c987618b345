# SPDX-License-Identifier: Apache-2.0
"""A PE that raises ends the job within ten seconds, whatever others do: also where they keep the interpreter's lock of their rank to themselves."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.mpi.installed import Mpi
from tests.mpi.test_job import LATEST, status

WORKFLOW = """
import ctypes, os, time
import d4py

def stand():
    open("stands", "w").close()
    ctypes.PyDLL(None).sleep(60)  # keeps the interpreter's lock: no other thread of its process runs, rank 0's supervisor neither

@d4py.producer
def numbers(stands: str, after: bool):
    for number in range(10_000):
        yield number
        if stands == "source" and (after or os.path.exists("raised")):
            stand()

class Two(d4py.GenericPE):
    def __init__(self, stands, after):
        super().__init__()
        self._add_input("input", grouping="all")
        self.stands, self.after, self.numprocesses = stands, after, 2

    def process(self, inputs):
        if self.rank == 1:
            if not self.after and inputs["input"] < 5:
                return
            while self.after and not os.path.exists("stands"):
                time.sleep(0.01)
            with open("raised", "w") as file:
                file.write(str(time.time()))
            raise ValueError("the first of two")
        if self.stands == "reader" and (self.after or os.path.exists("raised")):
            stand()

def configure(stands: str, after: bool = True):
    return numbers(stands=stands, after=after) >> Two(stands, after)
"""


def ended(mpi: Mpi, ranks: int, *words: str) -> float:
    """Run a job in which a PE raises; return how many seconds later it has ended."""
    Path("held.py").write_text(WORKFLOW)
    settings = [word for setting in words for word in ("--set", setting)]

    command = mpi.command(ranks, "run", "held.py", "--mapping", "mpi", "--run-dir", "r", "-q", *settings)
    with tempfile.TemporaryDirectory() as scratch:
        told = mpi.run(command, TMPDIR=scratch)
        assert not list(Path(scratch).glob("d4py-*"))

    late = time.time() - float(Path("raised").read_text())
    assert told.returncode == 3, told.stderr
    assert told.stderr.count("d4py: error: PE 'Two', instance Two[") == 1, told.stderr
    assert 'raise ValueError("the first of two")' in told.stderr
    ended = status("r")
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)
    assert ended["error"].startswith("PE 'Two', instance Two[")
    assert 'raise ValueError("the first of two")' in ended["traceback"]
    return late


def test_a_pe_that_raises_ends_a_job_whose_first_rank_hears_nothing_and_resume_goes_on(mpi: Mpi, here: Path) -> None:
    assert ended(mpi, 3, "stands=source") < LATEST
    Path("held.py").write_text(WORKFLOW.replace("if stands ==", "if 0 and").replace("if self.rank ==", "if 0 and"))

    told = mpi.run(mpi.command(2, "resume", "./r", "--accept-changes", "-q"))

    assert told.returncode == 0, told.stderr
    assert (status("r")["status"], status("r")["error"], status("r")["traceback"]) == ("done", "", "")


def test_a_pe_that_raises_ends_a_job_of_which_another_rank_hears_nothing(debian: Mpi, here: Path) -> None:
    assert ended(debian, 3, "stands=reader") < LATEST


def test_nothing_of_its_rank_is_begun_after_a_pe_has_raised(debian: Mpi, here: Path) -> None:
    assert ended(debian, 1, "stands=source", "after=no") < LATEST
    assert not Path("stands").exists()


LATE = """
import os, sys, time
from glob import glob
from d4py.cli.main import main
from d4py.mappings.mpi import failing, mpi

if os.environ["OMPI_COMM_WORLD_RANK"] == "0":
    mpi._GRACE, end = 0.0, mpi._Crew._await_ends
    def late(crew):
        while not glob("r/failure*.json"):
            time.sleep(0.01)
        end(crew)
    mpi._Crew._await_ends = late
else:
    failing._PATIENCE, abort = 0.5, failing.abort
    failing.abort = lambda *words: (time.sleep(2), abort(*words))
sys.exit(main(sys.argv[1:]))
"""


def test_a_first_rank_that_hears_late_of_a_failure_does_not_tell_it_again(debian: Mpi, here: Path) -> None:
    Path("late.py").write_text(LATE)
    Path("bad").touch()
    words = ["run", "wf.py", "--mapping", "mpi", "--run-dir", "r", "-q"]

    told = debian.run([debian.mpiexec, "-n", "3", debian.python, "late.py", *words])

    assert told.returncode == 3, told.stderr
    assert told.stderr.count("d4py: error: PE 'Count', instance Count[") == 1, told.stderr
    assert status("r")["status"] == "failed"
