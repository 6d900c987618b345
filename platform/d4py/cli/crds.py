# SPDX-License-Identifier: Apache-2.0
"""`d4py crds`: print the definitions of the custom resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.resources import APPLY, definitions

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser

ABOUT = f"Print the definitions of Workflow, WorkflowTemplate and CronWorkflow for a Kubernetes: {APPLY}"


def options(parser: Parser) -> None:
    """Take nothing."""


def call(_: Namespace) -> int:
    """Print them."""
    print(definitions(), end="")
    return 0
