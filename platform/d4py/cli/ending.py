# SPDX-License-Identifier: Apache-2.0
"""How a command that runs a workflow ends: with the run's summary and exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from d4py.cli import last_word
from d4py.cli.main import BROKEN_PIPE, drop_stdout
from d4py.cli.summary import show
from d4py.engine.failure import UNREAD
from d4py.errors import WorkflowFailed
from d4py.mappings.base import Followed
from d4py.mappings.signals import deferred

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace
    from d4py.cli.watching import Watching
    from d4py.mappings import Result


def ended(start: Callable[[], Result], args: Namespace, watching: Watching) -> int:
    """Start a run, wait, print its summary; return its exit code, also where nobody reads the summary.

    A run that failed because nobody reads what its PEs print dies of that without a word, as any program in a pipe does.
    """
    try:
        result = start()
    except Followed:
        raise
    except SystemExit as end:
        raise WorkflowFailed(
            f"A PE called exit({end.code}).", hint="Return from process instead; d4py cancel ends a run."
        ) from None
    if result.exit_code == WorkflowFailed.exit_code and result.error.endswith(UNREAD):
        drop_stdout()
        return BROKEN_PIPE
    with deferred():  # the run is over, and exits as it ended
        return _told(result, args, watching)


def _told(result: Result, args: Namespace, watching: Watching) -> int:
    delivery = watching.delivery
    args.stdout.give_back()
    aside = redirect_stdout(sys.stderr) if args.stdout.taken and not args.json else nullcontext()
    try:
        with aside:
            show(result, output=str(delivery.path) if delivery else "", machine=args.json, quiet=args.quiet)
    except BrokenPipeError:
        drop_stdout()
    last_word.of_result(result)  # after all that is printed: it may go the same way
    if delivery is not None and delivery.error is not None:
        raise delivery.error
    return result.exit_code
