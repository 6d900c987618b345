# SPDX-License-Identifier: Apache-2.0
"""`d4py wait`: wait for a run and exit as it did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d4py.cli.parser import Namespace, Parser, add_run, seconds
from d4py.cli.summary import run_name
from d4py.cli.table import painted_status
from d4py.errors import StateError
from d4py.runs import find
from d4py.runs.waiting import until
from d4py.targets.find import look_at, target_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.runs import Folder, State

ABOUT = "Wait for a run to end, and exit with its code."


def options(parser: Parser) -> None:
    """Take a run."""
    add_run(parser)
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, help="give up after so long, with exit code 2 (default: never)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def telling(folder: Folder) -> Callable[[], State]:
    """Return what tells the state of a run; it says on stderr, once, that one on another host shows no life."""
    look, said = look_at(folder), target_of(folder) is not None

    def seen() -> State:
        nonlocal said
        state = look()
        if state.error and not (said or state.status.over):
            said = True
            print(f"d4py: {run_name(folder.path, state.run)}: {state.error}.", file=sys.stderr)
        return state

    return seen


def call(args: Namespace) -> int:
    """Wait."""
    folder = find(args.run)
    state = until(folder, lambda state: state.status.over, timeout=args.timeout, look=telling(folder))
    if state is None:
        raise StateError(
            f"The run {args.run!r} is not over after {args.timeout:g} s.",
            hint=f"It goes on; see d4py status {args.run}.",
        )
    code = 5 if state.exit_code is None else state.exit_code
    if not args.quiet:
        print(f"{run_name(folder.path, state.run)}: {painted_status(state.status.value)}, exit code {code}")
    return code
