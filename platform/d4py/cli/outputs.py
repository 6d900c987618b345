# SPDX-License-Identifier: Apache-2.0
"""`d4py outputs`: what a run has given back."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from d4py.cli.delivery import checked
from d4py.cli.parser import Namespace, Parser, add_format, add_run, whole
from d4py.cli.staging import check_place, give_back
from d4py.cli.table import number_of
from d4py.cli.values import json_line, line
from d4py.connectors.uri import is_uri
from d4py.errors import UsageError, did_you_mean, listed
from d4py.runs import find
from d4py.runs.outputs import Outputs, write_lines
from d4py.runs.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from d4py.runs.outputs import Output

ABOUT = "Print the outputs of a run that no PE reads, as far as they are committed."


def options(parser: Parser) -> None:
    """Take a run, and which of its outputs."""
    add_run(parser)
    add_format(parser)
    parser.add_argument("--pe", metavar="PE", help="of this PE only")
    parser.add_argument("-n", "--limit", metavar="N", type=whole(0), help="the first so many only")
    parser.add_argument(
        "--output", metavar="FILE", help="write all of them to a file: JSON lines, arrays beside them in an .npz"
    )


def call(args: Namespace) -> int:
    """Print the outputs."""
    folder = find(args.run)
    if isinstance(folder, Sweep):
        return of_sweep(folder, args)
    known = dict.fromkeys(instance.pe for instance in folder.plan().instances)
    if args.pe is not None and args.pe not in known:
        raise UsageError(f"The run has no PE {args.pe!r}; it has {listed(known)}.", hint=did_you_mean(args.pe, known))
    deliver(Outputs(folder), args, room=folder.path)
    return 0


def deliver(outputs: Iterable[Output], args: Namespace, *, room: Path | None = None) -> None:
    """Print outputs, or write all of them to a file: the same wherever the run is. room: where there is space for them."""
    if args.output is None:
        show = json_line if args.format == "json" else line
        for entry in islice((entry for entry in outputs if args.pe in (None, entry.pe)), args.limit):
            print(show(entry))
        return
    if args.pe is not None or args.limit is not None:
        raise UsageError(
            "--output writes all outputs.", hint="Leave out --pe and --limit, or print with -o json > FILE."
        )
    if is_uri(args.output):
        check_place(args.output)
        print(f"{number_of(give_back(outputs, args.output, room=room), 'output')} in {args.output}")
        return
    path = checked(args.output)
    args.stdout.give_back()
    number = write_lines(outputs, path)
    print(f"{number_of(number, 'output')} in {path}", file=sys.stderr if args.stdout.taken else sys.stdout)


def of_sweep(sweep: Sweep, args: Namespace) -> int:
    """Print the outputs of all members, as far as they have any, each with the number of its member."""
    if args.output is not None:
        raise UsageError(
            f"--output writes the outputs of one run; {sweep.path.name!r} is a sweep of {len(sweep.members)}.",
            hint=f"Name one of them: {sweep.path.name}/0, or print with -o json > FILE.",
        )
    entries = (
        (member.number, entry)
        for member in sweep.members
        if (member.folder.path / "plan.json").exists()
        for entry in Outputs(member.folder)
        if args.pe in (None, entry.pe)
    )
    for number, entry in islice(entries, args.limit):
        print(json_line(entry, member=number) if args.format == "json" else f"{number}/{line(entry)}")
    return 0
