# SPDX-License-Identifier: Apache-2.0
"""`d4py retry`: run the items that a run put into quarantine again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from d4py.cli.parser import Namespace, Parser, add_run, pair, whole
from d4py.cli.run import add_delivery, add_report
from d4py.errors import StateError
from d4py.runs import find, home, new_id
from d4py.runs.quarantine import Kept, as_inputs, kept_items

if TYPE_CHECKING:
    from d4py.mappings import Result

ABOUT = "Run the items that a run put into quarantine again: a new run of the same workflow, as its code is now, which is given these items and nothing else."


def options(parser: Parser) -> None:
    """Take a run, and what may differ from it."""
    add_run(parser)
    parser.add_argument("-l", "--list", action="store_true", help="print the items and why they failed; run nothing")
    parser.add_argument("-m", "--mapping", metavar="NAME", help="run on another mapping")
    parser.add_argument("-n", "--processes", metavar="N", type=whole(1), help="run on another number of processes")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=pair,
        action="append",
        default=[],
        dest="parameters",
        help="set a parameter anew",
    )
    add_delivery(parser)
    add_report(parser)


def call(args: Namespace) -> int:
    """Start a run of the items."""
    from d4py import mappings
    from d4py.cli.ending import ended
    from d4py.cli.progress import known
    from d4py.cli.watching import Watching
    from d4py.graph.load import Source, load
    from d4py.mappings import copies

    folder = find(args.run)
    items = list(kept_items(folder))
    if args.list:
        print("\n\n".join(told(item) for item in items) or "No items in quarantine.")
        return 0
    if not items:
        raise StateError(f"The run {args.run!r} has no items in quarantine.", hint=f"See d4py status {args.run}.")
    description = folder.description()
    if description["source"] is None:
        raise StateError(
            f"The run {args.run!r} was started from Python, not from a file.", hint="Run its script again."
        )
    source = replace(Source(**description["source"]), kept=None)
    source.parameters.update(args.parameters)
    engine = mappings.get(args.mapping or description["mapping"])
    copies.refuse(engine)
    engine.prepare(args.processes)
    workflow = load(source)
    inputs = {**dict.fromkeys((pe.id or "" for pe in workflow.graph.roots()), 0), **as_inputs(items)}
    settings = {**description["options"], **({"processes": args.processes} if args.processes else {})}
    run_id = new_id()
    watching = Watching(args, folder=home() / run_id, known=lambda: known(workflow.graph, inputs))

    def start() -> Result:
        return mappings.run(
            workflow,
            args.mapping or description["mapping"],
            inputs=inputs,
            run_id=run_id,
            on_error=description["on_error"],
            observers=watching.observers,
            check=False,
            alone=True,
            **settings,
        )

    return ended(start, args, watching)


def told(item: Kept) -> str:
    """Return an item with its error and the user's own lines."""
    return f"{item.failure.title}\n{item.failure.traceback}"
