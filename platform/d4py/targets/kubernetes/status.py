# SPDX-License-Identifier: Apache-2.0
"""What the status of a Workflow means as the state of a run. Pure."""

from __future__ import annotations

from typing import Any

from d4py.runs import State, Status

SCHEME = "kubernetes://"
_STATUS = {
    "Pending": Status.QUEUED,
    "Queued": Status.QUEUED,
    "Starting": Status.STARTING,
    "Running": Status.RUNNING,
    "Suspending": Status.RUNNING,
    "Stopping": Status.RUNNING,
    "Suspended": Status.STOPPED,
    "Succeeded": Status.DONE,
    "Failed": Status.FAILED,
}
_FAILED, _STOPPED = 3, 5
_CODES = (2, 3, 5, 6)  # of a run that failed; others are of what ended a pod, which its message tells

Object = dict[str, Any]


def run_id(workflow: Object) -> str:
    """Return the id of a workflow's run."""
    return f"{SCHEME}{workflow['metadata']['namespace']}/{workflow['metadata']['name']}"


def state_of(workflow: Object) -> State:
    """Return the state of a workflow's run."""
    metadata, spec, status = workflow["metadata"], workflow["spec"], workflow.get("status") or {}
    attempt = status.get("lastAttempt") or {}
    what = Status.QUEUED if resumed(workflow) else _STATUS.get(status.get("phase", "Pending"), Status.QUEUED)
    over = what in (Status.DONE, Status.FAILED, Status.STOPPED)
    started, ended = status.get("startTime", ""), status.get("completionTime", "") if over else ""
    return State(
        run=run_id(workflow),
        status=what,
        mapping=status.get("mapping") or spec.get("mapping", ""),
        workflow=metadata.get("annotations", {}).get("d4py.dev/title") or _graph(spec),
        created=metadata.get("creationTimestamp", ""),
        started=started,
        ended=ended,
        seconds=_seconds(started, ended),
        generation=status.get("attempts", 0),
        epoch=(status.get("checkpoint") or {}).get("sequence", 0),
        exit_code=_exit_code(what, attempt),
        error="" if what is Status.DONE else _why(status),
        output=status.get("outputs", ""),
    )


def resumed(workflow: Object) -> bool:
    """Whether a run that is suspended is to go on, and no operator has seen that yet."""
    status, policy = workflow.get("status") or {}, workflow["spec"].get("runPolicy") or {}
    seen = int(status.get("observedGeneration") or 0)
    told_since = bool(seen) and seen < int(workflow["metadata"].get("generation") or 0)
    return status.get("phase") == "Suspended" and not policy.get("suspend") and told_since


def told(workflow: Object) -> str:
    """Return what there is to say of a workflow beside its state."""
    status = workflow.get("status") or {}
    words = [status.get("phase") or "not seen by an operator yet"]
    if status.get("attempts", 0) > 1:
        words.append(f"attempt {status['attempts']}")
    if status.get("ready") and state_of(workflow).status in (Status.STARTING, Status.RUNNING):
        words.append(f"{status['ready']} pods ready")
    if status.get("items"):
        words.append(f"{status['items'].get('read', 0):,} items read")
    return ", ".join(words)


def _exit_code(what: Status, attempt: Object) -> int | None:
    if what is Status.DONE:
        return int(attempt.get("exitCode") or 0)
    if what is Status.STOPPED:
        return _STOPPED
    if what is Status.FAILED:
        code = attempt.get("exitCode")
        return int(code) if code in _CODES else _FAILED
    return None


def _why(status: Object) -> str:
    """Return what is wrong, or not yet so; nothing where all is as it was asked for."""
    if status.get("reason") == "AsAsked":
        return ""
    reason, message = status.get("reason") or "", status.get("message") or ""
    return f"{reason}: {message}" if reason and message else reason or message


def _graph(spec: Object) -> str:
    graph = spec.get("graph") or {}
    reference = graph.get("configMapRef") or spec.get("templateRef") or {}
    return str(graph.get("module") or reference.get("name", "")).rpartition("/")[2]


def _seconds(started: str, ended: str) -> float:
    if not started or not ended:
        return 0.0
    from datetime import datetime

    begin, end = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (started, ended))
    return max(0.0, (end - begin).total_seconds())
