# SPDX-License-Identifier: Apache-2.0
"""Sweeps: which runs `d4py submit --sweep` asks for, and how commands show them."""

from __future__ import annotations

import math
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

from d4py.cli.parser import axis, whole
from d4py.cli.table import lasting, table
from d4py.errors import ParameterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from d4py.cli.parser import Namespace
    from d4py.runs import State
    from d4py.runs.sweep import Member, Sweep
    from d4py.targets.slurm import Members

_MOST = 100_000  # members; each has a folder
_WIDTH = 24  # of a value in the table


def add_sweep(group: Any) -> None:
    """Take what is to be swept over."""
    group.add_argument(
        "--sweep",
        metavar="NAME=A,B,C",
        type=axis,
        action="append",
        default=[],
        help="run once with each value of a parameter, as one job array; of several --sweep with each combination",
    )
    group.add_argument("--at-once", metavar="N", type=whole(1), help="members of a sweep that may run at a time")


def wanted(args: Namespace) -> Members | None:
    """Return the members that the arguments ask for; None where that is one run. Values are not checked yet."""
    from d4py.targets.slurm import Members, check_size

    if not args.sweep:
        if args.at_once is not None:
            raise UsageError("--at-once is for a sweep.", hint="Add --sweep NAME=A,B,C.")
        return None
    names = [name for name, _ in args.sweep]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--sweep is given for {name!r} twice.", hint="Give all its values at once.")
        if name in dict(args.parameters):
            raise UsageError(f"{name!r} is given by --sweep and by --set.", hint="Leave one away.")
    number = math.prod(len(values) for _, values in args.sweep)
    if number > _MOST:
        raise UsageError(f"The sweep has {number:,} combinations; {_MOST:,} are the most.", hint="Sweep over fewer.")
    if not args.dry_run:
        check_size(number)
    return Members(names=names, values=list(product(*(values for _, values in args.sweep))), at_once=args.at_once)


@contextmanager
def swept(args: Namespace) -> Iterator[None]:
    """Let what is wrong with a value be told of the option that gave it."""
    try:
        yield
    except ParameterError as error:
        wrong = next((name for name, _ in args.sweep if f"--set {name}=" in error.hint), "")
        if not wrong:
            raise
        raise ParameterError(error.message, hint=error.hint.replace("--set", "--sweep").rstrip(".") + ",...") from None


def show(sweep: Sweep, states: Sequence[State]) -> list[str]:
    """Return a table of the members."""
    names = list(sweep.members[0].parameters)
    rows = [_row(member, state) for member, state in zip(sweep.members, states, strict=True)]
    last = len(names) + 1
    return table(("MEMBER", *names, "STATUS", "EXIT", "TOOK", ""), rows, right=(0, last + 1, last + 2), status=last)


def _row(member: Member, state: State) -> tuple[object, ...]:
    values = [
        text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..." for text in map(_told, member.parameters.values())
    ]
    code = "" if state.exit_code is None else state.exit_code
    error = " ".join(state.error.split())
    took = lasting(state.seconds) if state.ended else ""
    return (
        f"{member.number}",
        *values,
        state.status.value,
        code,
        took,
        error if len(error) <= 60 else f"{error[:57]}...",
    )


def _told(text: str) -> str:
    """Return a value as a terminal may be shown it."""
    return text if text.isprintable() else repr(text)
