# SPDX-License-Identifier: Apache-2.0
"""The program `dispel4py`, and `python -m d4py.compat`: the old command line, and scripts that run workflows from Python."""

from __future__ import annotations

import runpy
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.main import guarded, tell
from d4py.compat import finder
from d4py.errors import D4pyError, LoadError, UsageError, WorkflowFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from d4py.mappings import Result

USAGE = """usage: dispel4py MAPPING WORKFLOW [-n N] [-s] [-i N | -d JSON | -f FILE] [-a NAME]

Runs a workflow of dispel4py's with d4py. MAPPING is simple, multi, mpi, redis or storm; WORKFLOW a module or a file.
python -m d4py.compat SCRIPT.py ... runs a script that imports dispel4py. See d4py help for all that d4py can do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the old command, or a script; return the exit code."""
    return guarded(partial(dispatch, list(sys.argv[1:] if argv is None else argv)))


def dispatch(argv: list[str]) -> int:
    """Run what the arguments name."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if argv else sys.stderr)
        return 0 if argv else UsageError.exit_code
    finder.install()
    if argv[0].endswith(".py"):
        return script(argv)
    from d4py.compat import command

    try:
        return own(partial(command.run, argv, _tell))
    except SystemExit as end:  # --help
        return int(end.code or 0)


def script(argv: list[str]) -> int:
    """Run a script as Python would."""
    if not Path(argv[0]).is_file():
        raise LoadError(f"There is no file {argv[0]!r}.", hint="Give the script's path.")
    sys.argv = argv
    sys.path[0] = str(Path(argv[0]).resolve().parent)
    return own(partial(runpy.run_path, argv[0], run_name="__main__"))


def own(call: Callable[[], object]) -> int:
    """Make a call of users' code; what it raises is told as Python tells it, from the first line of theirs on."""
    try:
        result = call()
    except WorkflowFailed as error:
        print(f"d4py: error: {error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    except (D4pyError, BrokenPipeError):
        raise
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None and ours(trace):
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        return 1
    return result if isinstance(result, int) else 0


def ours(trace: TracebackType) -> bool:
    """Whether a line is of d4py, or of what runs scripts."""
    name = trace.tb_frame.f_code.co_filename
    return name.startswith((str(Path(__file__).parents[1]), "<frozen ")) or name.endswith("runpy.py")


def _tell(result: Result) -> None:
    """Say how a run ended that did not end well."""
    from d4py.cli.summary import hint_of, name_of, tell_failure

    if result.exit_code == 3:
        tell_failure(result)
    else:
        tell(hint_of(result, name_of(result)) or result.error)
