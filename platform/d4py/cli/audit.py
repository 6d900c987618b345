# SPDX-License-Identifier: Apache-2.0
"""`d4py audit`: recompute the books of a run from what it has committed."""

from __future__ import annotations

import json

from d4py.cli.parser import Namespace, Parser, add_format, add_run
from d4py.cli.summary import run_name
from d4py.cli.table import GREEN, RED, number_of, paint, table
from d4py.runs import Folder, find
from d4py.runs.books import Books, Line, audit

ABOUT = "Recompute the books of a run from its last checkpoint and its spools. Exits 6 if they do not balance, 5 if nothing is committed yet."
_UNBALANCED, _NOTHING = 6, 5


def options(parser: Parser) -> None:
    """Take a run."""
    add_run(parser)
    add_format(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show every line, not only those that disagree")


def call(args: Namespace) -> int:
    """Print the books."""
    folder = find(args.run)
    commit = folder.last_commit()
    books = audit(folder)
    if args.format == "json":
        print(
            json.dumps(
                {
                    "run": folder.run_id,
                    "epoch": commit.epoch if commit else None,
                    "final": bool(commit and commit.final),
                    **books.to_json(),
                },
                indent=1,
            )
        )
    elif commit is None:
        print(f"{run_name(folder.path, folder.run_id)}: nothing is committed yet, so there is nothing to audit")
    else:
        print(told(folder, books, final=commit.final, epoch=commit.epoch))
        lines = [line for line in books.lines if args.verbose or not line.agrees]
        if lines:
            print(
                "\n"
                + "\n".join(table(("", "kind", "what", "written", "read"), [row(line) for line in lines], right=(3, 4)))
            )
    if commit is None:
        return _NOTHING
    return 0 if books.balanced else _UNBALANCED


def told(folder: Folder, books: Books, *, final: bool, epoch: int) -> str:
    """Return the verdict."""
    verdict = paint("the books balance", GREEN) if books.balanced else paint("the books do not balance", RED)
    wrong = sum(not line.agrees for line in books.lines)
    extent = "complete" if final else f"as far as checkpoint {epoch}"
    lines = (
        f"{wrong} of {number_of(len(books.lines), 'line')} disagree"
        if wrong
        else f"{number_of(len(books.lines), 'line')} agree"
    )
    return f"{run_name(folder.path, folder.run_id)}: {verdict} ({extent}; {lines}; {books.quarantined} in quarantine)"


def row(line: Line) -> tuple[object, ...]:
    """Return a line for people."""
    return ("ok" if line.agrees else "WRONG", line.kind, line.name, line.written, line.read)
