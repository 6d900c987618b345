# SPDX-License-Identifier: Apache-2.0
"""What is printed at the end of a run."""

from __future__ import annotations

import json
import os
import sys
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.cli import table, values
from d4py.cli.secret import hidden
from d4py.runs import Folder, home
from d4py.runs.counts import Counts, published

if TYPE_CHECKING:
    from d4py.mappings import Result

_SHOWN = 5
NAMED = "D4PY_RUN_NAME"  # of a pod: what its run is called outside
ELSEWHERE: ContextVar[str] = ContextVar("ELSEWHERE", default="")  # before the names of runs, for whoever asks by ssh


def as_json(result: Result, output: str) -> dict[str, Any]:
    """Return the summary for machines."""
    books = result.books.to_json()
    del books["counts"]
    return {
        "run_id": result.run_id,
        "mapping": result.mapping,
        "status": result.status.value,
        "exit_code": result.exit_code,
        "seconds": round(result.seconds, 6),
        "counts": counts_of(result),
        "books": books,
        "outputs": {"count": len(result.outputs), "path": output or None},
        "error": result.error,
        "traceback": result.traceback,
        "warnings": list(result.warnings),
        "folder": str(result.folder),
    }


def show(result: Result, *, output: str = "", machine: bool = False, quiet: bool = False) -> None:
    """Print how a run ended: results to stdout, what went wrong to stderr."""
    if machine:
        print(json.dumps(as_json(result, output), default=str))
    elif not quiet:
        show_text(result, output)
    sys.stdout.flush()
    if not quiet:
        for warning in result.warnings:
            print(f"d4py: warning: {' '.join(warning.split())}", file=sys.stderr)
    if result.exit_code == 3:
        if sys.stderr.isatty() and not machine and not quiet:
            print(file=sys.stderr)
        tell_failure(result)


def show_text(result: Result, output: str) -> None:
    """Print the summary for people."""
    name = name_of(result)
    took = f"{table.painted_status(result.status.value)} in {table.lasting(result.seconds)}"
    print(f"{took}, exit code {result.exit_code}: run {name} on {result.mapping}")
    counts = counts_of(result)
    if counts:
        print()
        print("\n".join(pe_table(counts)))
    number = len(result.outputs)
    if output and result.exit_code in (0, 4):
        print(f"\n{table.number_of(number, 'output')} in {output}")
    elif number:
        print()
        for entry in islice(result.outputs, _SHOWN):
            print(values.line(entry))
        if number > _SHOWN:
            print(f"... {number - _SHOWN:,} more: d4py outputs {name}")
    hint = hint_of(result, name)
    if hint:
        print(f"\n{hint}")


def hint_of(result: Result, name: str) -> str:
    """Return what to do next, where the run is not simply done."""
    if result.exit_code == 4:
        return f"{table.number_of(result.books.quarantined, 'item')} in quarantine. Run them again: d4py retry {name}"
    if result.exit_code == 5:
        reason = result.error or result.status.value
        return f"{reason[0].upper()}{reason[1:]}. Continue: d4py resume {name}"
    if result.exit_code == 6:
        return f"The books do not balance. See: d4py audit {name}"
    return ""


def tell_failure(result: Result) -> None:
    """Print which PE failed on what, and the user's own lines."""
    print(f"d4py: error: {' '.join(hidden(result.error).split())}", file=sys.stderr)
    if result.traceback:
        print(hidden(result.traceback), file=sys.stderr)


def counts_of(result: Result) -> Counts:
    """Return counts per PE: from the books, or as far as it had come where the run has none."""
    order = ("instances", "read", "written", "quarantined")
    counts = {pe: {kind: count[kind] for kind in order} for pe, count in result.counts.items()}
    if counts:
        return counts
    seen = published(Folder(result.folder))
    return seen if any(count[kind] for count in seen.values() for kind in order[1:]) else {}


def pe_table(counts: Counts) -> list[str]:
    """Return a table of what each PE did."""
    rows = [
        (pe, count["instances"], count["read"], count["written"], count["quarantined"]) for pe, count in counts.items()
    ]
    return table.table(("PE", "instances", "read", "written", "quarantined"), rows, right=(1, 2, 3, 4))


def name_of(result: Result) -> str:
    """Return how commands are to name a run: by id, or by its folder where that is not among the others."""
    return run_name(result.folder, result.run_id)


def run_name(folder: Path, run_id: str) -> str:
    """Return the id of a run that has its folder in the usual place, else the folder; where it was asked for from elsewhere, or runs there, as it is named there."""
    if given := os.environ.get(NAMED):
        return given
    return ELSEWHERE.get() + (run_id if folder == (home() / run_id).resolve() else str(folder))
