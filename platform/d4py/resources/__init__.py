# SPDX-License-Identifier: Apache-2.0
"""What is asked of a Kubernetes: the custom resources of `d4py.dev`, as typed data.

The definitions that a cluster is given are generated from these types. No client lives here, and nothing is asked of a cluster.
"""

from d4py.resources.crd import APPLY, KINDS, definition, definitions
from d4py.resources.cron import CronWorkflow
from d4py.resources.reading import Unreadable, read, written
from d4py.resources.template import WorkflowTemplate
from d4py.resources.workflow import GROUP, VERSION, Workflow, WorkflowSpec

__all__ = [
    "APPLY", "GROUP", "KINDS", "VERSION", "CronWorkflow", "Unreadable", "Workflow", "WorkflowSpec", "WorkflowTemplate", "definition", "definitions", "read",
    "written",
]  # fmt: skip
