# SPDX-License-Identifier: Apache-2.0
"""`CronWorkflow`: workflows made again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from d4py.resources.described import FEW, NAME, WORD, Described, Rule, needed, told
from d4py.resources.status import REASONS
from d4py.resources.workflow import RunSpec

CRON_NAME_LENGTH = 29  # and a dash and ten digits make a workflow's


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildMetadata(Described):
    """Labels and annotations of workflows that are made."""

    labels: dict[str, str] = told("Labels of it.", {}, max_properties=FEW, items={"max_length": NAME})
    annotations: dict[str, str] = told("Annotations of it.", {}, max_properties=FEW, items={"max_length": 1024})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildWorkflow(Described):
    """A workflow that is made."""

    metadata: ChildMetadata | None = told("Its labels and annotations.")
    spec: RunSpec = needed("Its spec.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CronWorkflowSpec(Described):
    """When which workflow is made."""

    schedule: str = needed(
        "When: minute, hour, day of month, month, day of week, as cron has them, or @hourly, @daily, @weekly, @monthly.",
        min_length=1,
        max_length=WORD,
        pattern=r"^(@(hourly|daily|weekly|monthly)|[0-9*,/-]+( +[0-9A-Za-z*,/-]+){4})$",
    )
    time_zone: str | None = told(
        "The zone that the schedule is meant in, such as Europe/Berlin; UTC where it is left out.",
        max_length=NAME,
        pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
    )
    concurrency_policy: str | None = told(
        "What happens while the one before still runs: both run, the new one is left out, or the old one is deleted."
        " Allow where it is left out.",
        enum=("Allow", "Forbid", "Replace"),
    )
    suspend: bool | None = told("Make no more of them.")
    starting_deadline_seconds: int | None = told("How late one may still be made.", minimum=1, maximum=31_536_000)
    successful_runs_history_limit: int | None = told(
        "How many that succeeded are kept; 3 where it is left out.", minimum=0, maximum=100
    )
    failed_runs_history_limit: int | None = told(
        "How many that failed are kept; 1 where it is left out.", minimum=0, maximum=100
    )
    workflow_template: ChildWorkflow = needed("The workflow that is made.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CronWorkflowStatus(Described):
    """What was made, and when the next is due."""

    observed_generation: int = told("The generation of the spec that this is about.", 0, minimum=0, format="int64")
    active: list[str] = told("Workflows that are not over.", [], max_items=100, items={"max_length": WORD})
    last_schedule_time: str | None = told("When one was last due and made.", format="date-time", max_length=32)
    last_successful_time: str | None = told("When one last succeeded.", format="date-time", max_length=32)
    next_schedule_time: str | None = told("When the next is due.", format="date-time", max_length=32)
    reason: str | None = told("What is wrong with the spec, as one word.", enum=REASONS)
    message: str | None = told("The same for people.", max_length=1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronWorkflow(Described):
    """Makes a Workflow whenever it is due."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(f"size(self.metadata.name) <= {CRON_NAME_LENGTH}", f"the name is longer than {CRON_NAME_LENGTH} letters"),
        Rule(
            "has(self.spec.workflowTemplate.spec.graph) || has(self.spec.workflowTemplate.spec.templateRef)",
            "the workflow has neither graph nor templateRef",
            "spec",
        ),
    )

    spec: CronWorkflowSpec = needed("When which workflow is made.")
    status: CronWorkflowStatus | None = told("What was made, and when the next is due; the operator writes it.")
