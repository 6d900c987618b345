# SPDX-License-Identifier: Apache-2.0
"""What the user draws: PEs, ports, connections, and how a workflow is loaded by name.

Nothing here runs a PE or knows how many copies of it there will be; drawing a graph has no side effect.
"""

from d4py.graph.compose import CompositePE, create_iterative_chain
from d4py.graph.function import SimpleFunctionPE, consumer, iterative, producer
from d4py.graph.graph import Connection, WorkflowGraph
from d4py.graph.pe import ConsumerPE, GenericPE, IterativePE, ProducerPE

__all__ = [
    "CompositePE",
    "Connection",
    "ConsumerPE",
    "GenericPE",
    "IterativePE",
    "ProducerPE",
    "SimpleFunctionPE",
    "WorkflowGraph",
    "consumer",
    "create_iterative_chain",
    "iterative",
    "producer",
]
