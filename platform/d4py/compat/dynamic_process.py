# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new`'s way to run a graph in processes of this machine, as many instances as it finds best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.compat.mappings import old
from d4py.compat.multi_process import Results, enact
from d4py.compat.processor import parallel_args

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import WorkflowGraph


def parse_args(args: Sequence[str], namespace: Namespace | None = None) -> Namespace:
    """Read -n and -s."""
    return parallel_args(args, namespace)


def process(workflow: WorkflowGraph, inputs: Mapping[Any, Any], args: Any) -> Results | None:
    """Run a graph on args.num processes. Raises WorkflowFailed where a PE raised, UnknownMapping where this cannot be done here."""
    return enact(old("dyn_multi").mapping, workflow, inputs, args, counted=False)
