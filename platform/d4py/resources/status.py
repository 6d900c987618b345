# SPDX-License-Identifier: Apache-2.0
"""How a run is doing, as its status says."""

from __future__ import annotations

from dataclasses import dataclass

from d4py.resources.described import MANY, Described, needed, told

PHASES = ("Pending", "Queued", "Starting", "Running", "Suspending", "Suspended", "Stopping", "Succeeded", "Failed")
CONDITIONS = (
    "Accepted", "MappingReady", "Admitted", "Running", "Degraded", "CheckpointReady", "Complete", "Failed", "Suspended",
)  # fmt: skip
# Why: the reasons of conditions and of attempts that are over.
REASONS = (
    "AsAsked", "Waiting", "InvalidSpec", "InvalidGraph", "TemplateMissing", "MappingMissing", "Refused", "Queued", "Created", "ImagePull", "NodeLost",
    "Unschedulable", "ConfigMissing", "PodsMissing", "NotStarted", "StartDeadline", "WorldSizeMismatch", "PEFailed", "BooksDiffer", "Quarantined", "Stopped", "OutOfMemory",
    "Deadline", "BackoffLimit", "Evicted", "LostMapping", "Suspended", "Resumed", "Retrying", "Snapshot", "InputsMissing", "PodFailed", "Done",
)  # fmt: skip
HISTORY = 10

_TIME = {"format": "date-time", "max_length": 32}
_COUNT = {"minimum": 0, "format": "int64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Described):
    """One thing that is true of the run, or not, and why."""

    type: str = needed("What it is about.", enum=CONDITIONS)
    status: str = needed("Whether it is so.", enum=("True", "False", "Unknown"))
    reason: str = needed("Why, as one word.", enum=REASONS)
    message: str = needed("Why, for people.", max_length=1024)
    last_transition_time: str = needed("Since when.", **_TIME)
    observed_generation: int = told("The generation of the spec that it is about.", 0, **_COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Described):
    """One attempt to run the graph."""

    number: int = needed("Which attempt, from 1.", minimum=1)
    name: str = needed("Name of its Job or MPIJob.", max_length=63)
    kind: str = told("What it is: Job or MPIJob.", "Job", max_length=63)
    uid: str | None = told("Its uid, once it was seen.", max_length=63)
    processes: int | None = told(
        "Processes or threads of each of its pods, as was asked for when it was made.", minimum=1
    )
    created_time: str | None = told("When the operator meant to make it.", **_TIME)
    start_time: str | None = told("When its pods ran.", **_TIME)
    end_time: str | None = told("When it was over.", **_TIME)
    reason: str | None = told("How it ended, as one word.", enum=REASONS)
    message: str | None = told("How it ended, for people.", max_length=1024)
    exit_code: int | None = told("What d4py run exited with.", minimum=0, maximum=255)
    failed_pe: str | None = told("The PE that failed it.", key="failedPE", max_length=253)
    logs_ref: str | None = told("The pod that has its logs.", max_length=253)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRef(Described):
    """An object that the operator has made for the run."""

    kind: str = needed("What it is.", max_length=63)
    name: str = needed("Its name.", max_length=253)
    uid: str = told("Its uid.", "", max_length=63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Described):
    """What image really ran."""

    resolved_digest: str | None = told("The image, by digest.", max_length=512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Described):
    """What graph really ran."""

    hash: str | None = told(
        "Digest of the workflow's code, as the run gave it at its end: files of it and their names.", max_length=128
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers(Described):
    """How many processes do the work, or pods of ranks."""

    desired: int = told("How many there are to be.", 0, **_COUNT)
    ready: int = told("How many are ready.", 0, **_COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Items(Described):
    """Items, over all PEs."""

    read: int = told("Items that PEs have read.", 0, **_COUNT)
    written: int = told("Items that PEs have written.", 0, **_COUNT)
    quarantined: int = told("Items that were set aside.", 0, **_COUNT)
    outputs: int = told("Outputs that no PE reads.", 0, **_COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointStatus(Described):
    """The last checkpoint that is known."""

    location: str | None = told("Where checkpoints are.", max_length=1024)
    sequence: int = told("Its number.", 0, **_COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStatus(Described):
    """How the run is doing."""

    observed_generation: int = told("The generation of the spec that this is about.", 0, **_COUNT)
    phase: str | None = told("All of it in a word, for people; programs read the conditions.", enum=PHASES)
    reason: str | None = told("The reason of the condition that matters most now.", enum=REASONS)
    message: str | None = told("The same for people.", max_length=1024)
    conditions: list[Condition] = told("What is true of the run.", [], max_items=len(CONDITIONS), list_map=("type",))
    attempts: int = told("How many attempts were begun.", 0, **_COUNT)
    failures: int = told("How many of them failed and count for backoffLimit.", 0, **_COUNT)
    last_attempt: Attempt | None = told("The newest attempt.")
    history: list[Attempt] = told("Attempts before it, the newest last.", [], max_items=HISTORY)
    next_attempt_time: str | None = told("When the run is tried again.", **_TIME)
    mapping: str | None = told("The mapping that runs it.", max_length=63)
    image: Image | None = told("What image really ran.")
    graph: Graph | None = told("What graph really ran.")
    plan: dict[str, int] = told(
        "How many instances each PE has, as the run itself says.", {}, max_properties=MANY, items=_COUNT
    )
    spec_hash: str | None = told("Digest of the spec that the newest attempt was made from.", max_length=64)
    template: dict[str, object] = told(
        "The spec of its template as it was when the first attempt was made, which all attempts are made from.",
        {},
        open=True,
    )
    mapping_refs: list[MappingRef] = told("What the operator has made for the newest attempt.", [], max_items=MANY)
    workers: Workers | None = told("How many processes do the work, or pods of ranks.")
    selector: str | None = told("Selects the pods of the run.", max_length=512)
    items: Items | None = told("Items, over all PEs.")
    last_progress_time: str | None = told("When items were last counted.", **_TIME)
    checkpoint: CheckpointStatus | None = told("The last checkpoint that is known.")
    snapshot_nonce: str | None = told(
        "The snapshotNonce of the spec that was last acted on: where the two differ, a checkpoint is being taken.",
        max_length=63,
    )
    outputs: str | None = told("Where outputs are.", max_length=1024)
    ready: str | None = told("Ready pods of those that do the work.", max_length=32)
    start_time: str | None = told("When the run first started.", **_TIME)
    active_since: str | None = told(
        "Since when time counts towards activeDeadlineSeconds; left out while none does: suspended, or in a queue.",
        **_TIME,
    )
    active_seconds: int | None = told("Seconds that counted before that.", **_COUNT)
    completion_time: str | None = told("When it was over.", **_TIME)
