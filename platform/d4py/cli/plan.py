# SPDX-License-Identifier: Apache-2.0
"""`d4py plan`: what would run where. Nothing is started and nothing written."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from d4py.cli.parser import Namespace, Parser, add_format
from d4py.cli.table import number_of, table
from d4py.cli.workflow import add_mapping, add_workflow, loaded, planned

if TYPE_CHECKING:
    from d4py.plan import Plan

ABOUT = "Show what would run where. Nothing is started."


def options(parser: Parser) -> None:
    """Take a workflow and a mapping."""
    add_workflow(parser)
    add_mapping(parser)
    add_format(parser)
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as -o json")


def call(args: Namespace) -> int:
    """Print the plan."""
    workflow = loaded(args)
    mapping, _, plan, warnings = planned(args, workflow)
    if args.format == "json":
        print(json.dumps({"workflow": workflow.name, "mapping": mapping.name, **plan.to_json(), "warnings": warnings}))
        return 0
    print(
        f"{workflow.name} on {mapping.name}: {number_of(len(plan.instances), 'instance')} in {number_of(plan.processes, place(mapping.name))}"
    )
    print()
    print("\n".join(table(("process", "cell", "instances"), rows(plan))))
    print()
    print(
        "\n".join(
            table(
                ("from", "to", "grouping", "carried by"), [route_row(plan, index) for index in range(len(plan.routes))]
            )
        )
    )
    for note in plan.notes:
        print(f"\nnote: {note}")
    for warning in warnings:
        print(f"d4py: warning: {warning}", file=sys.stderr)
    return 0


def place(mapping: str) -> str:
    """Return what N counts on a mapping."""
    return "thread" if mapping == "threads" else "process"


def rows(plan: Plan) -> list[tuple[object, ...]]:
    """Return a row for each cell."""
    return [
        (str(cell.process), str(cell.index), " + ".join(plan.instances[rank].label for rank in cell.instances))
        for cell in sorted(plan.cells, key=lambda cell: (cell.process, cell.index))
    ]


def route_row(plan: Plan, index: int) -> tuple[object, ...]:
    """Return a row for a connection."""
    route = plan.routes[index]
    grouping = f"by key {list(route.key)}" if route.grouping == "key" else route.grouping
    channels = plan.channels.number(index)
    if route.grouping == "merge":
        return (f"{route.writer} (copies)", f"{route.reader} (first)", "merge", number_of(channels, "channel"))
    carried = "calls in one process" if route.fused else number_of(channels, "channel")
    return (f"{route.writer}.{route.output}", f"{route.reader}.{route.input}", grouping, carried)
