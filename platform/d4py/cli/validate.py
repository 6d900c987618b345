# SPDX-License-Identifier: Apache-2.0
"""`d4py validate`: check a workflow without running it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from d4py.cli.table import number_of
from d4py.cli.workflow import add_inputs, add_mapping, add_workflow, inputs_of, loaded, planned

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser

ABOUT = "Check a workflow, its parameters, its input data and its plan. Nothing is started. Exits 2 with what is wrong."


def options(parser: Parser) -> None:
    """Take what `run` takes of a workflow."""
    add_workflow(parser)
    add_mapping(parser)
    add_inputs(parser)


def call(args: Namespace) -> int:
    """Print the verdict."""
    from d4py.graph.inputs import resolve

    workflow = loaded(args)
    graph = workflow.graph
    calls = resolve(graph, inputs_of(args))
    mapping, _, plan, warnings = planned(args, workflow, calls)
    for warning in warnings:
        print(f"d4py: warning: {warning}", file=sys.stderr)
    connections, instances = number_of(len(graph.connections), "connection"), number_of(len(plan.instances), "instance")
    print(f"{workflow.name} is valid: {number_of(len(graph.pes), 'PE')}, {connections}; {instances} on {mapping.name}")
    return 0
