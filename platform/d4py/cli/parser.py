# SPDX-License-Identifier: Apache-2.0
"""How arguments are read: errors are raised in one line with a hint, and types say what they take."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from d4py.errors import UsageError, did_you_mean

Namespace = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments."""
        raise UsageError(f"{self.prog}: {message}.", hint=f"See {self.prog} --help.")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read arguments; an unknown option is told with the nearest one that there is."""
        found, left = self.parse_known_args(args, namespace)
        options = [option for action in self._actions for option in action.option_strings]
        for word in left:
            if word.startswith("-"):
                hint = did_you_mean(word.partition("=")[0], options) or f"See {self.prog} --help."
                raise UsageError(f"{self.prog} has no option {word!r}.", hint=hint)
        if left:
            raise UsageError(
                f"{self.prog} takes no more arguments, but got {left[0]!r}.", hint=f"See {self.prog} --help."
            )
        return found


def parser_of(name: str, command: ModuleType) -> Parser:
    """Return the parser of a command."""
    parser = Parser(prog=f"d4py {name}", description=command.ABOUT, allow_abbrev=False, formatter_class=_formatter)
    command.options(parser)
    return parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return what formats help; told the width, it does not import what would find it, which every command would pay for."""
    columns = os.environ.get("COLUMNS", "")
    return argparse.HelpFormatter(prog, max_help_position=30, width=int(columns) if columns.isdecimal() else 110)


def whole(least: int) -> Callable[[str], int]:
    """Return a type for whole numbers of at least so much."""

    def read(text: str) -> int:
        if not text.lstrip("+-").isascii() or not text.lstrip("+-").isdigit() or len(text) > 18 or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return int(text)

    return read


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def port(text: str) -> int:
    """Read the number of a port."""
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a number from 0 to 65535")
    return int(text)


def run_id(text: str) -> str:
    """Read the id of a run, which is also the name of its folder; that of a member of a sweep ends in /NUMBER."""
    sweep, slash, member = text.partition("/")
    letters = sweep.isascii() and all(letter.isalnum() or letter in "-_." for letter in sweep)
    if not letters or not sweep[:1].isalnum() or (slash and not (member.isascii() and member.isdigit())):
        raise argparse.ArgumentTypeError(f"{text!r} is not an id: letters, digits, and -_. after the first")
    return text


def pair(text: str) -> tuple[str, str]:
    """Read `name=value`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, value


def written(parser: Parser, args: Namespace) -> list[str]:
    """Return words that are read as these arguments."""
    options, rest = [], []
    for action in parser._actions:
        value = getattr(args, action.dest, None)
        values = value if isinstance(value, list) else [value]
        if not action.option_strings:
            rest += [str(one) for one in values if one is not None]
        elif action.nargs == 0:
            options += [action.option_strings[-1]] if value is True else []
        elif value != action.default:
            options += [f"{action.option_strings[-1]}={spelled(one)}" for one in values]
    return [*options, "--", *rest] if rest else options


def spelled(value: object) -> str:
    """Return what `pair`, `resource` or `axis` reads as this value; of any other its text."""
    import csv
    import io

    match value:
        case (name, tuple(values)):
            row = io.StringIO()
            csv.writer(row, lineterminator="").writerow(values)
            return f"{name}={row.getvalue()}"
        case (pe, name, text):
            return f"{pe}.{name}={text}"
        case (name, text):
            return f"{name}={text}"
    return str(value)


def resource(text: str) -> tuple[str, str, str]:
    """Read `PE.name=value`."""
    full, value = pair(text)
    pe, dot, name = full.rpartition(".")
    if not dot or not pe:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form PE.name=value, such as correlate.threads=4")
    return pe, name, value


def axis(text: str) -> tuple[str, tuple[str, ...]]:
    """Read `name=a,b,c`. A value with a comma in it is put in double quotes, as in CSV."""
    import csv

    name, values = pair(text)
    try:
        (row,) = csv.reader([values], strict=True)
    except csv.Error as error:
        raise argparse.ArgumentTypeError(f'the values of {name} cannot be read ({error}): name=a,"b,c"') from None
    if len(set(row)) < len(row):
        raise argparse.ArgumentTypeError(f"{name} is to have a value twice")
    return name, tuple(row) or ("",)


def add_run(parser: Parser) -> None:
    """Take a run."""
    parser.add_argument("run", metavar="RUN", help="id of a run, the start of one, or the path of its folder")


def add_format(parser: Parser) -> None:
    """Take `-o json`."""
    parser.add_argument(
        "-o", "--format", choices=("text", "json"), default="text", help="how to print it (default: text)"
    )
