# SPDX-License-Identifier: Apache-2.0
"""`WorkflowTemplate`: a spec that workflows take over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from d4py.resources.described import Described, Rule, needed
from d4py.resources.workflow import WorkflowSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTemplate(Described):
    """A spec that workflows name in templateRef. It runs nothing by itself."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.spec.graph)", "a template needs a graph", "spec"),
        Rule("!has(self.spec.templateRef)", "a template takes over no other template", "spec"),
        Rule(
            "!has(self.spec.snapshotNonce)"
            " && (!has(self.spec.runPolicy) || !has(self.spec.runPolicy.suspend) && !has(self.spec.runPolicy.managedBy))",
            "suspend, managedBy and snapshotNonce are said in workflows",
            "spec",
        ),
    )

    spec: WorkflowSpec = needed("What workflows take over, field by field, where they say nothing themselves.")
