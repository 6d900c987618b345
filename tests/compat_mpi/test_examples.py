# SPDX-License-Identifier: Apache-2.0
"""All of dispel4py's example programs, on ranks of a job, have the instances and iterations that the original has in processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.compat.programmes import ITERATIONS, MULTI, PROGRAMS, read, unpacked
from tests.compat.test_examples import FILTERED, RECORD
from tests.mpi.installed import SOURCE_ROOT, installed


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder with dispel4py's own package."""
    return unpacked()


@pytest.mark.parametrize("options", MULTI, ids=" ".join)
@pytest.mark.parametrize("program", PROGRAMS)
def test_ranks_have_the_instances_and_iterations_of_the_original(
    program: str, options: list[str], examples: Path, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    mpi, ranks = installed("debian"), options[1]
    words = ["-m", "d4py.compat", "mpi", f"dispel4py.examples.graph_testing.{program}", "-i", str(ITERATIONS), *options]
    told = mpi.run(
        [mpi.mpiexec, "--wdir", str(tmp_path), "-n", ranks, mpi.python, *words],
        PYTHONPATH=os.pathsep.join([str(SOURCE_ROOT), str(examples)]),
    )

    ours, theirs = read(told.stdout), RECORD[program][f"multi {' '.join(options)}"]
    cell = ["dispel4py's example programs on ranks, beside the original in processes", program, " ".join(options)]
    alike = "the original fails" if "fails" in theirs else "the same"
    record_property("cell", json.dumps([*cell, alike]))
    assert told.returncode == 0, told.stderr
    assert sum(ours["iterations"].values()) > 0
    if "fails" in theirs:
        return  # ours does not: that is the difference
    assert ours["instances"] == theirs["instances"]
    if program not in FILTERED and "iterations" in theirs:
        assert ours["iterations"] == theirs["iterations"]
