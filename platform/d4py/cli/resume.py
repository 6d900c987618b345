# SPDX-License-Identifier: Apache-2.0
"""`d4py resume`: continue a run from its last checkpoint."""

from __future__ import annotations

import pickle
import sys
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

from d4py.cli.parser import Namespace, Parser, add_run, whole
from d4py.cli.run import add_delivery, add_image, add_report
from d4py.cli.summary import run_name
from d4py.errors import D4pyError, UsageError
from d4py.runs import find
from d4py.targets.find import target_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from d4py.mappings import Result
    from d4py.runs import Folder

T = TypeVar("T")
ABOUT = "Continue a run that was stopped, cut off or failed, from its last checkpoint. Exits as d4py run does."


def options(parser: Parser) -> None:
    """Take a run, and what may differ from its first start."""
    add_run(parser)
    parser.add_argument("-m", "--mapping", metavar="NAME", help="continue on another mapping")
    parser.add_argument("-n", "--processes", metavar="N", type=whole(1), help="continue on another number of processes")
    parser.add_argument("--accept-changes", action="store_true", help="continue with the code as it is now")
    parser.add_argument(
        "--gone", action="store_true", help="whoever had the run on another host is known to be gone: its job is over"
    )
    parser.add_argument("--here", action="store_true", help="continue here what was sent to a cluster")
    parser.add_argument("--time", metavar="TIME", help="how long its jobs on a cluster may take from now on: 1:30:00")
    add_delivery(parser)
    add_report(parser)
    add_image(parser)


def again(folder: Folder, room: ModuleType, args: Namespace) -> int:
    """Send a run once more to where it was. Raises UsageError for what its job would not be told."""
    name = run_name(folder.path, folder.state().run)
    for option in ("mapping", "processes", "output", "metrics", "image", "json"):
        if getattr(args, option) is not None and getattr(args, option) is not False:
            outputs = f"Its outputs: d4py outputs {name} --output FILE, when it is over."
            hint = outputs if option == "output" else "Add --here to continue it on this machine."
            raise UsageError(f"--{option} is not for a run that its cluster continues.", hint=hint)
    say_of_edits(folder, room, args)
    room.resubmit(folder, lasting=args.time, accept_changes=args.accept_changes)
    print(name)
    return 0


def say_of_edits(folder: Folder, room: ModuleType, args: Namespace) -> None:
    """Say that a run goes on with the code that it keeps, where that was edited: perhaps it was mended."""
    if not args.accept_changes and room.edited(folder):
        print(
            "d4py: the workflow was edited since; the run goes on with the code that it was sent with. To take it as it is now: --accept-changes.",
            file=sys.stderr,
        )


def once(act: Callable[[], T]) -> T:
    """Do it. On ranks of a job, what is wrong is told by the first."""
    from d4py.mappings import get

    try:
        return act()
    except D4pyError as error:
        engine = get("mpi")
        if engine.launched:
            engine.begin(None, partial(_refuse, error))
        raise


def found(args: Namespace) -> Folder:
    """Return the run's folder."""
    folder = find(args.run)
    folder.state()
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
    from d4py.mappings import copies, get

    folder = once(partial(found, args))
    room = target_of(folder)
    if room is not None and not args.gone:
        # Ranks that were started for it continue it themselves: no job is to be sent by each.
        if not (args.here or get("mpi").launched):
            return again(folder, room, args)
        if args.here:
            say_of_edits(folder, room, args)
        args.here = True
        args.gone = once(partial(room.free, folder))
        folder.forget_requests()  # of a job that was to go on: whoever continues the run by hand was not asked
    if args.image is not None and args.time is None:
        copies.refuse()
        return continued(args, folder)
    if args.time is not None:
        raise UsageError("--time is for a run that a job on a cluster is to continue.", hint="Leave it out.")
    description = folder.description()  # of a sweep there is none
    copies.refuse(get(args.mapping or description["mapping"]))
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
