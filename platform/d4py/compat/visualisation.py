# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.visualisation`: a graph in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.compat.workflow_graph import drawDot

if TYPE_CHECKING:
    from d4py.graph.graph import WorkflowGraph


def display(graph: WorkflowGraph) -> None:
    """Show a picture of a graph. Needs IPython and graphviz."""
    from IPython.display import Image
    from IPython.display import display as show

    show(Image(drawDot(graph)))
