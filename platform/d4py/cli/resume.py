# SPDX-License-Identifier: Apache-2.0
"""`d4py resume`: continue a run from its last checkpoint."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from d4py.cli.parser import Namespace, Parser, add_run, whole
from d4py.cli.run import add_delivery, add_report
from d4py.runs import find

if TYPE_CHECKING:
    from d4py.mappings import Result

ABOUT = "Continue a run that was stopped, cut off or failed, from its last checkpoint. Exits as d4py run does."


def options(parser: Parser) -> None:
    """Take a run, and what may differ from its first start."""
    add_run(parser)
    parser.add_argument("-m", "--mapping", metavar="NAME", help="continue on another mapping")
    parser.add_argument("-n", "--processes", metavar="N", type=whole(1), help="continue on another number of processes")
    parser.add_argument("--accept-changes", action="store_true", help="continue although the code has changed")
    add_delivery(parser)
    add_report(parser)


def call(args: Namespace) -> int:
    """Continue the run."""
    from d4py import mappings
    from d4py.cli.ending import ended
    from d4py.cli.progress import Known, of_calls
    from d4py.cli.watching import Watching

    folder = find(args.run)
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
            observers=watching.observers,
            check=False,
            alone=True,
        )

    return ended(start, args, watching)
