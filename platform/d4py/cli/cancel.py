# SPDX-License-Identifier: Apache-2.0
"""`d4py cancel`: end a run."""

from __future__ import annotations

from d4py.cli.asking import add_patience, asked
from d4py.cli.parser import Namespace, Parser, add_run

ABOUT = "End a run. One with a live source is drained first and counts as done; another ends at once, and d4py resume continues it."


def options(parser: Parser) -> None:
    """Take a run."""
    add_run(parser)
    add_patience(parser)
    parser.add_argument("--now", action="store_true", help="end it at once, also where a live source would be drained")


def call(args: Namespace) -> int:
    """Ask, and say what came of it."""
    return asked("cancel", args, what="cancelled", effect=lambda _folder, state: state.status.over)
