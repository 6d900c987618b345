# SPDX-License-Identifier: Apache-2.0
"""`d4py prune`: delete runs that are over."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice

from d4py.cli.parser import Namespace, Parser, whole
from d4py.cli.table import number_of
from d4py.errors import StateError, UsageError
from d4py.runs import Folder, Status, find, home, opened
from d4py.runs.listing import listed_runs
from d4py.runs.pruning import age, prune, size
from d4py.targets.find import going_on, look_at_each

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
    for run in args.runs:
        if run.startswith("kubernetes://"):
            raise UsageError("d4py prune is not for runs on Kubernetes.", hint=f"d4py cancel {run} deletes it.")
    folders = [find(run) for run in args.runs] or list(chosen(args))
    on = still_on(folders)
    if args.runs and on and look_at_each(on[:1])[0].status.over:
        raise StateError(
            f"A job of the run in {on[0].path} waits or runs.", hint="squeue --me shows it; d4py cancel ends it."
        )
    if args.runs and on:
        raise StateError(f"The run in {on[0].path} still goes on.", hint="End it first: d4py cancel.")
    folders = [folder for folder in folders if folder not in on]
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
        yield folder


def still_on(folders: Sequence[Folder]) -> list[Folder]:
    """Return the runs that go on. Raises StateError where nobody knows: that a job may wait to go on with a run is not in its folder."""
    try:
        return going_on(folders)
    except UsageError as error:
        raise StateError(
            f"Nothing was deleted, for jobs may wait to go on with these runs: {error.message}",
            hint="Try again where Slurm answers, or name runs that are done.",
        ) from None


def duration(text: str) -> float:
    """Read `30d`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not an age such as 30d, 12h or 90m")
    return int(number) * _UNITS[unit]


def megabytes(size: int) -> str:
    """Return a size as people say it."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
