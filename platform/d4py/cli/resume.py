# SPDX-License-Identifier: Apache-2.0
"""`d4py resume`: continue a run from its last checkpoint."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from d4py.cli.parser import Namespace, Parser, add_run, whole
from d4py.cli.run import add_delivery, add_image, add_report
from d4py.cli.summary import run_name
from d4py.errors import D4pyError, StateError
from d4py.runs import find
from d4py.runs.sweep import Sweep
from d4py.targets.find import target_of

if TYPE_CHECKING:
    from types import ModuleType

    from d4py.mappings import Result
    from d4py.runs import Folder

ABOUT = "Continue a run that was stopped, cut off or failed, from its last checkpoint. Exits as d4py run does."


def options(parser: Parser) -> None:
    """Take a run, and what may differ from its first start."""
    add_run(parser)
    parser.add_argument("-m", "--mapping", metavar="NAME", help="continue on another mapping")
    parser.add_argument("-n", "--processes", metavar="N", type=whole(1), help="continue on another number of processes")
    parser.add_argument("--accept-changes", action="store_true", help="continue although the code has changed")
    parser.add_argument(
        "--gone", action="store_true", help="whoever had the run on another host is known to be gone: its job is over"
    )
    parser.add_argument("--here", action="store_true", help="continue here what was sent to a cluster")
    add_delivery(parser)
    add_report(parser)
    add_image(parser)


def again(folder: Folder, room: ModuleType) -> int:
    """Send a run once more to where it was."""
    state = room.state_of(folder)
    if not isinstance(folder, Sweep) and (not state.status.over or state.exit_code == 0):
        raise StateError(f"The run {state.run!r} is {state.status.value}.", hint=f"See d4py status {state.run}.")
    room.resubmit(folder)
    print(run_name(folder.path, state.run))
    return 0


def found(args: Namespace) -> Folder:
    """Return the run's folder. On ranks of a job, what is wrong with it is told by the first."""
    from d4py.mappings import get

    try:
        folder = find(args.run)
        folder.state()
    except D4pyError as error:
        engine = get("mpi")
        if engine.launched:
            engine.begin(None, partial(_refuse, error))
        raise
    return folder


def _refuse(error: D4pyError) -> NoReturn:
    raise error


def call(args: Namespace) -> int:
    """Continue the run."""
    from d4py import mappings
    from d4py.cli.containing import continued
    from d4py.cli.ending import ended
    from d4py.cli.progress import Known, of_calls
    from d4py.cli.watching import Watching

    folder = found(args)
    if args.image is not None:
        return continued(args, folder)
    room = target_of(folder)
    if room is not None and args.here and room.state_of(folder).status.over:
        args.gone = True
    if room is not None and args.mapping is None and args.processes is None and not (args.here or args.gone):
        return again(folder, room)
    folder.description()  # of a sweep there is none
    state = folder.state()
    watching = Watching(
        args, folder=folder.path, known=lambda: Known(of_calls(pickle.loads(folder.inputs()))), output=state.output
    )

    def start() -> Result:
        return mappings.resume(
            folder,
            mapping=args.mapping,
            processes=args.processes,
            accept_changes=args.accept_changes,
            gone=args.gone,
            observers=watching.observers,
            check=False,
            alone=True,
        )

    return ended(start, args, watching)
