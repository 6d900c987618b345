# SPDX-License-Identifier: Apache-2.0
"""`d4py prune`: delete runs that are over."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice

from d4py.cli.parser import Namespace, Parser, whole
from d4py.cli.table import number_of
from d4py.errors import UsageError
from d4py.runs import Folder, Status, find, home, opened
from d4py.runs.listing import listed_runs
from d4py.runs.pruning import age, goes_on, prune, size

ABOUT = "Delete runs that are over, with their outputs, checkpoints and logs. Runs that go on are never deleted."
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def options(parser: Parser) -> None:
    """Take which runs."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="these")
    parser.add_argument("--older", metavar="AGE", type=duration, help="all that have been over for so long: 30d, 12h")
    parser.add_argument("--keep", metavar="N", type=whole(0), help="all but the newest N")
    parser.add_argument(
        "--status", choices=[status.value for status in Status if status.over], help="of those, only what ended so"
    )
    parser.add_argument("--all", action="store_true", help="all that are over")
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted")


def call(args: Namespace) -> int:
    """Delete them."""
    if not args.runs and args.older is None and args.keep is None and not args.all:
        raise UsageError(
            "d4py prune was not told which runs.", hint="Name them, or give --older 30d, --keep 20 or --all."
        )
    if args.runs and (args.older is not None or args.keep is not None or args.all):
        raise UsageError("d4py prune takes runs by name or by a rule, not both.", hint="Leave out one.")
    folders = [find(run) for run in args.runs] or list(chosen(args))
    total = 0
    for folder in folders:
        held = size(folder)
        total += held
        if not args.dry_run:
            prune(folder)
        print(f"{'would delete' if args.dry_run else 'deleted'} {folder.path.name} ({megabytes(held)})")
    print(f"{number_of(len(folders), 'run')}, {megabytes(total)}{' would be' if args.dry_run else ''} freed")
    return 0


def chosen(args: Namespace) -> Iterator[Folder]:
    """Yield what the rules choose, newest first."""
    for entry in islice(listed_runs(), args.keep or 0, None):
        folder = opened(home() / entry.name)
        if args.status is not None and (entry.state is None or entry.state.status != args.status):
            continue
        if args.older is not None and age(folder) < args.older:
            continue
        if not goes_on(folder):
            yield folder


def duration(text: str) -> float:
    """Read `30d`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age such as 30d, 12h or 90m")
    return int(number) * _UNITS[unit]


def megabytes(size: int) -> str:
    """Return a size as people say it."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
