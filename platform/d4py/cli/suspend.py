# SPDX-License-Identifier: Apache-2.0
"""`d4py suspend`: make a checkpoint and stop."""

from __future__ import annotations

from d4py.cli.asking import add_patience, asked
from d4py.cli.parser import Namespace, Parser, add_run

ABOUT = "Make a checkpoint and stop. d4py resume continues from there."


def options(parser: Parser) -> None:
    """Take a run."""
    add_run(parser)
    add_patience(parser)


def call(args: Namespace) -> int:
    """Ask, and say what came of it."""
    return asked("suspend", args, what="suspended", effect=lambda _folder, state: state.status.over)
