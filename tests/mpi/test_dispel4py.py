# SPDX-License-Identifier: Apache-2.0
"""dispel4py's example programs on ranks of a job do what the original does in processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.compat.programmes import ITERATIONS, read, unpacked
from tests.mpi.installed import SOURCE_ROOT, Mpi

RECORD = json.loads((Path(__file__).parents[1] / "compat" / "record.json").read_text())["programs"]
SOME = ("group_by_stateful", "grouping_onetoall", "large_teecopy", "pipeline_composite", "split_merge")


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder with dispel4py's own package."""
    return unpacked()


@pytest.mark.parametrize("program", SOME)
def test_instances_and_iterations_are_those_of_the_original(
    program: str, debian: Mpi, examples: Path, here: Path
) -> None:
    module = f"dispel4py.examples.graph_testing.{program}"
    words = ["-m", "d4py.compat", "mpi", module, "-i", str(ITERATIONS), "-n", "12"]
    path = os.pathsep.join([str(SOURCE_ROOT), str(examples)])

    told = debian.run([debian.mpiexec, "-n", "12", debian.python, *words], PYTHONPATH=path)

    ours, theirs = read(told.stdout), RECORD[program]["multi -n 12"]
    assert told.returncode == 0, told.stderr
    assert (ours["instances"], ours["iterations"]) == (theirs["instances"], theirs["iterations"])
