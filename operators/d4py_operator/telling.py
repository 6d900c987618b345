# SPDX-License-Identifier: Apache-2.0
"""From what is known of a run to its status: phase and conditions, and what people look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from d4py.resources import Unreadable, read
from d4py.resources.status import (
    CheckpointStatus,
    Condition,
    Graph,
    Image,
    Items,
    Workers,
    WorkflowStatus,
)
from d4py_operator.accept import Refusal
from d4py_operator.decision import Event
from d4py_operator.objects import WORKFLOW, Object, stamp
from d4py_operator.observed import Observed, Trouble
from d4py_operator.run import Run
from d4py_operator.summary import Summary, plain

_COUNTS = ("read", "written", "quarantined", "outputs")
Fact = tuple[str, bool | None, str, str]  # type, status, reason, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What there is to tell."""

    phase: str
    reason: str
    message: str
    seen: Observed | None = None
    trouble: Trouble | None = None
    refused: Refusal | None = None
    suspended: bool = False
    progress: Summary | None = None


def status_of(workflow: Object) -> WorkflowStatus:
    """Return the status of a workflow; blank where it cannot be read: what is there will be seen anew."""
    try:
        return read(WorkflowStatus, workflow.get("status") or {})
    except Unreadable:
        return WorkflowStatus()


def tell(status: WorkflowStatus, told: Told, run: Run, now: datetime) -> WorkflowStatus:
    """Return the status that tells it."""
    message = plain(told.message)
    status = replace(
        status,
        observed_generation=run.generation,
        phase=told.phase,
        reason=told.reason,
        message=message,
        conditions=settled(status.conditions, list(_facts(told, run, status)), run.generation, now),
        selector=f"{WORKFLOW}={run.name}",
    )
    if told.refused is not None and told.refused.reason != "Refused":
        return status
    ready = told.seen.ready if told.seen is not None and told.phase in ("Starting", "Running") else 0
    # A run may have been scaled since its attempt was made; older operators did not note how large that was.
    processes = (status.last_attempt.processes if status.last_attempt else None) or run.processes or 1
    status = replace(
        status,
        mapping=run.mapping,
        workers=Workers(desired=run.processes or run.pods, ready=ready * processes),
        ready=f"{ready}/{run.pods}",
        outputs=run.output_address,
    )
    if told.progress is not None:
        status = _counted(status, told.progress, run, now)
    return _with_seen(status, told.seen, run, now) if told.seen is not None else status


def events(old: WorkflowStatus, new: WorkflowStatus, told: Told) -> list[Event]:
    """Return what people see of a turn: each once, though its end may be in a status twice, as asked for and as come."""
    if new.reason == old.reason and old.phase in {new.phase, "Stopping"}:
        return []
    failed = new.phase == "Failed" or new.failures > old.failures or new.reason in ("Deadline", "StartDeadline")
    bad = failed or told.refused is not None or told.trouble is not None
    reason = told.phase if told.reason == "AsAsked" or told.phase == "Suspending" else told.reason
    return [Event(reason=reason, message=told.message, warning=bad)]


def _with_seen(status: WorkflowStatus, seen: Observed, run: Run, now: datetime) -> WorkflowStatus:
    if seen.image:
        status = replace(status, image=Image(resolved_digest=seen.image))
    return status if seen.said is None else _counted(status, seen.said, run, now)


def _counted(status: WorkflowStatus, said: Summary, run: Run, now: datetime) -> WorkflowStatus:
    """Return a status that says how far a run has come, by its own word."""
    items = Items(**{name: getattr(said, name) for name in _COUNTS})
    if items != status.items:
        status = replace(status, items=items, last_progress_time=stamp(now))
    status = replace(status, plan=said.plan or status.plan)
    if said.graph:
        status = replace(status, graph=Graph(hash=said.graph))
    kept, sequence = run.spec.checkpoint, said.checkpoint
    if kept is not None and sequence:
        place = f"pvc://{kept.volume.claim_name}/{run.folder.removeprefix('/d4py/runs/')}"
        status = replace(status, checkpoint=CheckpointStatus(location=place, sequence=sequence))
    return status


def _facts(told: Told, run: Run, status: WorkflowStatus) -> Iterator[Fact]:
    """Yield what is true, and what is not, of a run."""
    refused = told.refused
    if refused is not None:
        yield "Accepted", False, refused.reason, str(refused)
        yield "Running", False, refused.reason, "it is not run"
        return
    phase = told.phase
    yield "Accepted", True, "AsAsked", "it can be run as asked"
    running = phase == "Running"
    ready = running and told.seen is not None and told.seen.ready >= run.pods
    if phase in ("Starting", "Running", "Queued"):
        yield "MappingReady", ready, "AsAsked" if ready else told.reason, told.message
    else:
        yield "MappingReady", False, told.reason, told.message
    if run.spec.scheduling and run.spec.scheduling.queue_name and phase in ("Queued", "Starting", "Running"):
        queue = run.spec.scheduling.queue_name
        queued = phase == "Queued"
        message = f"it waits in the queue {queue}" if queued else f"the queue {queue} has let it begin"
        yield "Admitted", not queued, "Queued" if queued else "AsAsked", message
    yield "Running", running, told.reason, told.message
    trouble = told.trouble
    if trouble is not None:
        yield "Degraded", True, trouble.reason, trouble.message
    elif told.reason == "Quarantined":
        yield "Degraded", True, "Quarantined", "items were set aside: see status.items.quarantined"
    else:
        yield "Degraded", False, "AsAsked", "nothing is in its way"
    if run.spec.checkpoint is not None:
        kept = bool(status.checkpoint and status.checkpoint.sequence)
        message = "a new attempt goes on from a checkpoint" if kept else "no checkpoint is known of yet"
        if run.continues:
            yield "CheckpointReady", kept or None, "AsAsked" if kept else "Waiting", message
        else:
            yield "CheckpointReady", False, "AsAsked", "a new attempt begins anew: upgradeMode is Stateless"
    if phase in ("Succeeded", "Failed"):
        yield "Complete" if phase == "Succeeded" else "Failed", True, told.reason, told.message
    if told.suspended or phase == "Suspending":
        yield "Suspended", phase == "Suspended", "Suspended", told.message
    elif any(each.type == "Suspended" for each in status.conditions):
        yield "Suspended", False, "Resumed", "it goes on"


def settled(old: list[Condition], facts: list[Fact], generation: int, now: datetime) -> list[Condition]:
    """Return conditions that say these facts, each since it became so."""
    before = {each.type: each for each in old}
    words = {True: "True", False: "False", None: "Unknown"}
    found = []
    for kind, truth, reason, message in facts:
        known = before.get(kind)
        since = known.last_transition_time if known and known.status == words[truth] else stamp(now)
        found.append(
            Condition(
                type=kind,
                status=words[truth],
                reason=reason,
                message=plain(message),
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return found
