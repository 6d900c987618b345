# SPDX-License-Identifier: Apache-2.0
"""Stream workflows of Python processing elements, unchanged on a laptop, a cluster and a cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.errors import D4pyError
from d4py.graph import (
    CompositePE,
    ConsumerPE,
    GenericPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
    WorkflowGraph,
    consumer,
    create_iterative_chain,
    iterative,
    producer,
)

if TYPE_CHECKING:
    from d4py.connectors.files import CommittedFiles
    from d4py.mappings import Result

__version__ = "0.1.0"

__all__ = [
    "CommittedFiles",
    "CompositePE",
    "ConsumerPE",
    "D4pyError",
    "GenericPE",
    "IterativePE",
    "ProducerPE",
    "SimpleFunctionPE",
    "WorkflowGraph",
    "__version__",
    "consumer",
    "create_iterative_chain",
    "iterative",
    "producer",
    "run",
]


def run(workflow: Any, mapping: str = "simple", **options: Any) -> Result:
    """Run a workflow here and wait: a WorkflowGraph, or its name. Options as of `d4py.mappings.run`."""
    from d4py import mappings

    return mappings.run(workflow, mapping, **options)


def __getattr__(name: str) -> Any:
    """Import what most workflows do without only when it is asked for."""
    if name != "CommittedFiles":
        raise AttributeError(f"module 'd4py' has no attribute {name!r}")
    from d4py.connectors.files import CommittedFiles

    return CommittedFiles
