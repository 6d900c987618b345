# SPDX-License-Identifier: Apache-2.0
"""`d4py run`: run a workflow here and wait for it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.parser import Namespace, Parser, port, run_id, seconds, whole
from d4py.cli.workflow import add_inputs, add_mapping, add_workflow, begun, inputs_of, mapping_of, policies_of

if TYPE_CHECKING:
    from d4py.mappings import Result

RESTARTS = 3
ABOUT = "Run a workflow here and wait for it. Exits 0 done, 2 usage, 3 failed, 4 items in quarantine, 5 stopped and resumable, 6 books do not balance."


def options(parser: Parser) -> None:
    """Take a workflow and how to run it."""
    add_workflow(parser)
    add_mapping(parser)
    add_inputs(parser)
    add_course(parser)
    add_report(parser)
    add_image(parser)
    parser.add_argument("--run-id", metavar="ID", type=run_id, help="its id (default: made from the time)")
    parser.add_argument("--source", help=argparse.SUPPRESS)  # what a submission noted of the workflow, for its job
    parser.add_argument("--member", help=argparse.SUPPRESS)  # the parameters that a sweep gives one of its members


def add_course(parser: Parser) -> None:
    """Take what a run is to do on its way."""
    parser.add_argument(
        "--run-dir", metavar="FOLDER", help="the run's folder (default: one of its id, where d4py list finds it)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="SECONDS",
        type=seconds,
        help="time between checkpoints (default: 10, then at most 3 %% of the time)",
    )
    parser.add_argument(
        "--restarts",
        metavar="N",
        type=whole(0),
        default=RESTARTS,
        help=f"deaths that a run survives between two checkpoints (default: {RESTARTS})",
    )
    parser.add_argument(
        "--on-error",
        metavar="POLICY",
        action="append",
        default=[],
        help="fail, retry:3, quarantine, or retry:3,quarantine; PE=POLICY for one PE",
    )
    add_delivery(parser)


def add_delivery(parser: Parser) -> None:
    """Take where a run is to write what it gives and what it counts."""
    parser.add_argument(
        "--output", metavar="FILE", help="write outputs that no PE reads: JSON lines, arrays beside them in an .npz"
    )
    parser.add_argument(
        "--metrics", metavar="PORT", type=port, help="serve Prometheus metrics on 127.0.0.1 (0: any free port)"
    )


def add_report(parser: Parser) -> None:
    """Take how the end of a run is told."""
    parser.add_argument("--json", action="store_true", help="print one summary for machines instead of tables")
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def add_image(parser: Parser) -> None:
    """Take an image to do it in, and what its container sees."""
    parser.add_argument(
        "--image", metavar="NAME", help="do it in a container of this image, by the container engine of this machine"
    )
    parser.add_argument(
        "--volume",
        metavar="PATH[:ro]",
        action="append",
        default=[],
        help="a folder that the container sees besides this one, the run's and those of parameters",
    )


def call(args: Namespace) -> int:
    """Run the workflow."""
    from d4py import mappings
    from d4py.cli.containing import contained
    from d4py.cli.ending import ended
    from d4py.cli.progress import known
    from d4py.cli.watching import Watching
    from d4py.mappings import copies
    from d4py.runs import home, new_id

    if args.image is not None:
        copies.refuse()
        return contained(args)
    if args.mapping is not None:
        copies.refuse(mappings.get(args.mapping))
    workflow = begun(args)
    mapping, processes = mapping_of(args, workflow)
    copies.refuse(mappings.get(mapping))
    inputs = inputs_of(args)
    name = args.run_id or new_id()
    folder = Path(args.run_dir) if args.run_dir else home() / name
    watching = Watching(args, folder=folder, known=lambda: known(workflow.graph, inputs))

    def start() -> Result:
        return mappings.run(
            workflow,
            mapping,
            processes=processes,
            inputs=inputs,
            run_dir=args.run_dir,
            run_id=name,
            on_error=policies_of(args.on_error),
            observers=watching.observers,
            check=False,
            alone=True,
            fuse=not args.no_fuse,
            checkpoint=args.checkpoint,
            restarts=args.restarts,
        )

    return ended(start, args, watching)
