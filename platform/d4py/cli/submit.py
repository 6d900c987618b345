# SPDX-License-Identifier: Apache-2.0
"""`d4py submit`: start a run in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.run import add_course
from d4py.cli.workflow import add_inputs, add_mapping, add_workflow

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser

ABOUT = "Start a run in the background and print its id. See how it does with d4py status, logs -f and wait."


def options(parser: Parser) -> None:
    """Take what `run` takes, but for what only a terminal shows."""
    add_workflow(parser)
    add_mapping(parser)
    add_inputs(parser)
    add_course(parser)
    parser.add_argument("--wait", action="store_true", help="wait for it, and exit with its code")
    parser.add_argument("--follow", action="store_true", help="the same, and print its logs meanwhile")


def call(args: Namespace) -> int:
    """Start the run."""
    from d4py.cli.summary import run_name
    from d4py.runs import home, new_id
    from d4py.targets import local

    run_id = new_id()
    path = Path(args.run_dir).absolute() if args.run_dir else home() / run_id
    folder = local.submit([f"--run-id={run_id}", f"--run-dir={path}", *words(args)], folder=path)
    print(run_name(folder.path, run_id), flush=True)
    if args.follow:
        from d4py.cli.logs import follow

        follow(folder, [])
    if args.wait or args.follow:
        from d4py.runs.waiting import until

        state = until(folder, lambda state: state.status.over)
        return 5 if state is None or state.exit_code is None else state.exit_code
    return 0


def words(args: Namespace) -> list[str]:
    """Return the arguments of `d4py run` that mean the same."""
    given = {
        "graph": args.graph,
        "mapping": args.mapping,
        "processes": args.processes,
        "iterations": args.iterations,
        "data": args.data,
        "file": args.file,
        "checkpoint": args.checkpoint,
        "restarts": args.restarts,
        "output": args.output,
        "metrics": args.metrics,
    }
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    options += [f"--set={name}={value}" for name, value in args.parameters]
    options += [f"--on-error={policy}" for policy in args.on_error]
    options += ["--no-fuse"] if args.no_fuse else []
    return [*options, "--", args.workflow]
