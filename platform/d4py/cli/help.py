# SPDX-License-Identifier: Apache-2.0
"""`d4py help`: the commands, or the options of one."""

from __future__ import annotations

import importlib

from d4py.cli.main import NAMES, overview
from d4py.cli.parser import Namespace, Parser, parser_of
from d4py.errors import UsageError, did_you_mean

ABOUT = "List the commands, or the options of one."


def options(parser: Parser) -> None:
    """Take a command."""
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="a command")


def call(args: Namespace) -> int:
    """Print the help."""
    if args.command is None:
        print(overview())
        return 0
    if args.command not in NAMES:
        raise UsageError(
            f"There is no command {args.command!r}.",
            hint=did_you_mean(args.command, NAMES) or "d4py help lists the commands.",
        )
    parser_of(args.command, importlib.import_module(f"d4py.cli.{args.command}")).print_help()
    return 0
