# SPDX-License-Identifier: Apache-2.0
"""What is to be there for a CronWorkflow: a Workflow for each time that is due, made once; those that are over, as many as are kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from d4py.resources import CronWorkflow, Unreadable, read, written
from d4py.resources.cron import CronWorkflowSpec, CronWorkflowStatus
from d4py_operator.decision import Decision, Deletion, Event
from d4py_operator.objects import (
    CRON,
    MANAGED_BY,
    MANAGER,
    Object,
    condition,
    key_of,
    moment,
    owned,
    owner_reference,
    stamp,
    uid_of,
)
from d4py_operator.schedule import BadSchedule, schedule

_SUCCESSES, _FAILURES = 3, 1  # how many are kept where nothing is said


@dataclass(frozen=True, slots=True, kw_only=True)
class CronWorld:
    """What is seen of a cluster around a CronWorkflow."""

    cron: Object
    workflows: list[Object] = field(default_factory=list)


def due(world: CronWorld, now: datetime) -> Decision:
    """Decide about a CronWorkflow."""
    done = Decision()
    cron = world.cron
    if cron["metadata"].get("deletionTimestamp"):
        return done
    old = _status(cron)
    status = replace(old, observed_generation=cron["metadata"].get("generation", 0), reason=None, message=None)
    children = owned(world.workflows, cron)
    try:
        spec = read(CronWorkflow, {"spec": cron.get("spec") or {}}).spec
        status = _decide(spec, status, cron, children, now, done)
    except Unreadable as error:
        status = replace(status, reason="InvalidSpec", message=str(error))
    except BadSchedule as error:
        status = replace(status, reason="InvalidSpec", message=f"spec.schedule: {error}")
    if status != old:
        done.status = written(status)
        if status.reason and status.reason != old.reason:
            done.events.append(Event(reason=status.reason, message=status.message or "", warning=True))
    return done


def _decide(
    spec: CronWorkflowSpec,
    status: CronWorkflowStatus,
    cron: Object,
    children: list[Object],
    now: datetime,
    done: Decision,
) -> CronWorkflowStatus:
    times = schedule(spec.schedule, spec.time_zone)
    active = [child for child in children if not _over(child)]
    last = moment(status.last_schedule_time) or moment(cron["metadata"].get("creationTimestamp")) or now
    latest = times.latest(now)
    if latest is not None and latest > last and not spec.suspend:
        name = f"{cron['metadata']['name']}-{int(latest.timestamp()) // 60}"
        if any(child["metadata"]["name"] == name for child in children):
            status = replace(status, last_schedule_time=stamp(latest))
        elif _in_time(spec, latest, now) and not (spec.concurrency_policy == "Forbid" and active):
            if spec.concurrency_policy == "Replace":
                done.delete += [Deletion(key=key_of(child), uid=uid_of(child)) for child in active]
            done.create.append(_child(spec, cron, name))
            done.events.append(Event(reason="Due", message=f"Workflow {name} is made"))
    _forget(spec, children, done)
    following = None if spec.suspend else times.after(now)
    if following is not None:
        done.again = (following - now).total_seconds()
    ended = [child["status"]["completionTime"] for child in children if condition(child, "Complete")]
    return replace(
        status,
        active=sorted(child["metadata"]["name"] for child in active)[:100],
        next_schedule_time=stamp(following) if following else None,
        last_successful_time=max([*ended, *filter(None, [status.last_successful_time])], default=None),
    )


def _in_time(spec: CronWorkflowSpec, latest: datetime, now: datetime) -> bool:
    limit = spec.starting_deadline_seconds
    return limit is None or (now - latest).total_seconds() <= limit


def _child(spec: CronWorkflowSpec, cron: Object, name: str) -> Object:
    given = spec.workflow_template.metadata
    labels = {CRON: cron["metadata"]["name"], MANAGED_BY: MANAGER}
    return {
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": cron["metadata"]["namespace"],
            "labels": {**(given.labels if given else {}), **labels},
            "annotations": dict(given.annotations) if given else {},
            "ownerReferences": [owner_reference(cron)],
        },
        "spec": cron["spec"]["workflowTemplate"]["spec"],
    }


def _forget(spec: CronWorkflowSpec, children: list[Object], done: Decision) -> None:
    """Delete those that are over and more than are kept, the oldest first."""
    limits = {
        "Complete": spec.successful_runs_history_limit
        if spec.successful_runs_history_limit is not None
        else _SUCCESSES,
        "Failed": spec.failed_runs_history_limit if spec.failed_runs_history_limit is not None else _FAILURES,
    }
    for kind, limit in limits.items():
        over = [
            child for child in children if condition(child, kind) and not child["metadata"].get("deletionTimestamp")
        ]
        over.sort(key=lambda child: str(child["metadata"].get("creationTimestamp")))
        done.delete += [Deletion(key=key_of(child), uid=uid_of(child)) for child in over[: max(0, len(over) - limit)]]


def _over(workflow: Object) -> bool:
    return bool(condition(workflow, "Complete") or condition(workflow, "Failed"))


def _status(cron: Object) -> CronWorkflowStatus:
    try:
        return read(CronWorkflowStatus, cron.get("status") or {})
    except Unreadable:
        return CronWorkflowStatus()
