# SPDX-License-Identifier: Apache-2.0
"""The program `d4py`: finds the command, and tells every error in one line."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from functools import partial
from io import TextIOWrapper
from typing import TYPE_CHECKING

from d4py.errors import D4pyError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMANDS = {
    "Run": {
        "run": "run a workflow here and wait for it",
        "submit": "start a run in the background, here or on a cluster; prints its id",
        "resume": "continue a run from its last checkpoint",
        "retry": "run the items that a run put into quarantine again",
    },
    "Look before": {
        "plan": "what would run where",
        "graph": "draw a workflow: text, dot or SVG",
        "validate": "check a workflow without running it",
    },
    "Look at runs": {
        "list": "the runs on this machine",
        "status": "how a run is doing",
        "logs": "what a run and its PEs have logged",
        "outputs": "what a run has given back",
        "audit": "recompute the books of a run",
        "wait": "wait for a run and exit as it did",
    },
    "Act on runs": {
        "snapshot": "make a checkpoint now; the run goes on",
        "suspend": "make a checkpoint and stop; resume continues",
        "cancel": "end a run; a live one is drained",
        "prune": "delete runs that are over",
    },
    "Make images": {
        "init": "write down what a workflow needs, from its imports",
        "build": "make a container image of a workflow",
        "export": "write an image for docker, podman, Apptainer or Charliecloud",
    },
    "Set up": {
        "profile": "sites of clusters that runs are sent to",
        "crds": "the custom resources of a Kubernetes, for kubectl apply",
        "doctor": "what works on this machine, and how to get the rest",
        "completion": "a script that completes commands in bash, zsh or fish",
        "help": "this, or the options of a command",
    },
}
NAMES = [name for group in COMMANDS.values() for name in group]
INTERRUPTED, BROKEN_PIPE, DEFECT = 130, 141, 1
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    return guarded(partial(dispatch, list(sys.argv[1:] if argv is None else argv)))


def guarded(call: Callable[[], int]) -> int:
    """Make a call that is all of this program; return its exit code, and tell every error in one line."""
    open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = call()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return BROKEN_PIPE
    except D4pyError as error:
        if os.environ.get("D4PY_DEBUG"):
            raise
        if os.environ.get("D4PY_TERMINATION_LOG"):
            from d4py.cli import last_word

            last_word.of_error(error)
        tell(str(error))
        return error.exit_code
    except Exception as error:
        if os.environ.get("D4PY_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno in FULL:
            drop_stdout()
            tell(
                f"What this command prints cannot be written: {error.strerror}. Make room; d4py list shows how runs ended."
            )
            return D4pyError.exit_code
        return defect(error)


def open_what_is_closed() -> None:
    """Open standard streams that were closed from outside onto nothing, lest a run's files and sockets get their numbers."""
    for number, name, flags in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_WRONLY), (2, "stderr", os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest number that is free: this one
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))


def dispatch(argv: list[str]) -> int:
    """Call the command that the arguments name."""
    if not argv:
        print(overview(), file=sys.stderr)
        return UsageError.exit_code
    if argv[0].startswith("@"):
        from d4py.cli.far import answer

        return answer(argv[0])
    name, rest = argv[0], argv[1:]
    if name in ("-h", "--help"):
        name = "help"
    if name in ("-V", "--version"):
        from d4py import __version__

        print(f"d4py {__version__}")
        return 0
    if name not in NAMES:
        kind = "option" if name.startswith("-") else "command"
        raise UsageError(
            f"There is no {kind} {name!r}.", hint=did_you_mean(name, NAMES) or "d4py help lists the commands."
        )
    from d4py.cli.parser import parser_of
    from d4py.compat import finder

    finder.install()  # workflows may import dispel4py
    command = importlib.import_module(f"d4py.cli.{name}")
    try:
        args = parser_of(name, command).parse_args(rest)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    if "://" in (getattr(args, "run", None) or "") or (name == "list" and args.host):
        from d4py.cli import far

        place = far.place_of(args)
        if place is not None:
            return far.forward(name, command, args, place)
    from d4py.cli.stdout import Stdout

    elsewhere = str(getattr(args, "run", "")).startswith("kubernetes://")
    with Stdout(machine=getattr(args, "json", False), output=getattr(args, "output", None)) as args.stdout:
        code: int = importlib.import_module("d4py.cli.kubernetes").call(name, args) if elsewhere else command.call(args)
    return code


def overview() -> str:
    """Return the list of commands."""
    lines = ["usage: d4py COMMAND ...", ""]
    for title, commands in COMMANDS.items():
        lines.append(f"{title}:")
        lines.extend(f"  {name:<11}{about}" for name, about in commands.items())
        lines.append("")
    lines.append("d4py COMMAND --help lists the options of one. d4py --version prints the version.")
    return "\n".join(lines)


def tell(message: str) -> None:
    """Print an error as one line."""
    from d4py.cli.secret import hidden

    try:
        print(f"d4py: error: {' '.join(hidden(message).split())}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        return


def drop_stdout() -> None:
    """Nobody reads what this prints any more: let the rest, and the interpreter's last flush, go nowhere."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def defect(error: Exception) -> int:
    """Keep the traceback of an error that should not have come up, and ask for it."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="d4py-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"arguments: {sys.argv[1:]!r}\n")
        traceback.print_exception(error, file=file)
    tell(f"{type(error).__name__}: {error}. This is a defect of d4py: please report it with {file.name}.")
    return DEFECT


if __name__ == "__main__":
    sys.exit(main())
