# SPDX-License-Identifier: Apache-2.0
"""Workflows of dispel4py that tests write, and what their PEs print."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

IMPORTS = """
from dispel4py.core import GenericPE, NAME, TYPE, GROUPING
from dispel4py.base import BasePE, IterativePE, ProducerPE, ConsumerPE, SimpleFunctionPE, CompositePE, create_iterative_chain
from dispel4py.workflow_graph import WorkflowGraph
from dispel4py.examples.graph_testing.testing_PEs import TestProducer, TestOneInOneOut, WordCounter
"""
ON_ALL = pytest.mark.parametrize("mapping", [("simple",), ("multi", "-n", "4"), ("threads", "-n", "4")], ids=" ".join)


def lay(body: str, name: str = "wf.py") -> None:
    Path(name).write_text(IMPORTS + body)


def lines(out: str) -> Counter[str]:
    """Return what PEs printed, without the ranks."""
    return Counter(re.sub(r" \(rank \d+\)", "", line) for line in out.splitlines() if ": got " in line)
