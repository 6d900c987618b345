# SPDX-License-Identifier: Apache-2.0
"""What is to be there for a Workflow, and what its status is to say: one pure function of what is there and of the time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from d4py.resources import Unreadable, read, written
from d4py.resources.policies import OURSELVES, Backoff
from d4py.resources.status import HISTORY, Attempt, MappingRef, WorkflowStatus
from d4py_operator.accept import Refusal, refusal
from d4py_operator.decision import Decision, Deletion, Event
from d4py_operator.mappings import room_of
from d4py_operator.objects import (
    ATTEMPT,
    RUN,
    WORKFLOW,
    Key,
    Object,
    key_of,
    labels_of,
    moment,
    owned,
    stamp,
    uid_of,
)
from d4py_operator.observed import End, Observed, Trouble, live, observe
from d4py_operator.pods import inputs_map, network_policy
from d4py_operator.run import Run
from d4py_operator.stopping import ENDS, delay
from d4py_operator.summary import plain
from d4py_operator.telling import Told, tell

_SETTLE = 1.0
OPTIONAL = ("MPIJob",)  # what a cluster may lack
FIXED = ("Job", "MPIJob", "Secret")  # never changed once they are there


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is seen of a cluster around a workflow."""

    workflow: Object
    template: Object | None = None
    children: list[Object] = field(default_factory=list)  # Jobs and MPIJobs
    pods: list[Object] = field(default_factory=list)
    served: frozenset[str] = frozenset()
    progress: dict[str, int] = field(default_factory=dict)  # what the run itself says while it goes on


def desired(world: World, now: datetime) -> Decision:
    """Decide about a workflow."""
    given = (world.workflow.get("spec") or {}).get("runPolicy") or {}
    if world.workflow["metadata"].get("deletionTimestamp") or given.get("managedBy", OURSELVES) != OURSELVES:
        return Decision()
    return _Course(world, now).decision()


class _Course:
    """One look at a workflow."""

    def __init__(self, world: World, now: datetime) -> None:
        self.world, self.now = world, now
        self.run = Run(world.workflow, world.template)
        self.old = status_of(world.workflow)
        self.status = self.old
        self.done = Decision()
        self.children = owned(world.children, world.workflow)
        ours = {WORKFLOW: self.run.name, RUN: self.run.short}
        self.pods = [pod for pod in world.pods if ours.items() <= labels_of(pod).items()]

    def decision(self) -> Decision:
        """Decide."""
        if self.old.completion_time:
            return self.finished()
        refused = self.unreadable()
        if refused is not None:
            return self.refuse(refused)
        attempt = self.current()
        if attempt is not None:
            return self.go_on(attempt)
        if self.run.policy.suspend:
            return self.tell(Told(phase="Suspended", reason="Suspended", message="it is suspended", suspended=True))
        return self.begin()

    def tell(self, told: Told) -> Decision:
        """Put what is told into the status; one that says nothing new is not written."""
        self.status = tell(self.status, told, self.run, self.now)
        if self.status != self.old:
            self.done.status = written(self.status)
        if (self.status.phase, self.status.reason) != (self.old.phase, self.old.reason):
            bad = told.refused is not None or told.trouble is not None or told.phase == "Failed"
            self.done.events.append(Event(reason=told.reason, message=told.message, warning=bad))
        return self.done

    def after(self, seconds: float) -> None:
        """Have it looked at again in so long, if not earlier."""
        self.done.again = max(0.0, seconds if self.done.again is None else min(seconds, self.done.again))

    # --- not run

    def unreadable(self) -> Refusal | None:
        """Return why the spec cannot even be read."""
        own = (self.world.workflow.get("spec") or {}).get("templateRef") or {}
        try:
            name = self.run.spec.template_ref
        except Unreadable as error:
            return Refusal("InvalidSpec", error.path, error.reason)
        if own and name and self.world.template is None and self.current() is None:
            return Refusal("TemplateMissing", "spec.templateRef.name", f"there is no WorkflowTemplate {name.name!r}")
        return None

    def refuse(self, refused: Refusal) -> Decision:
        """Say why it is not run, and leave it: a change of it, or of its template, brings it back."""
        return self.tell(Told(phase="Pending", reason=refused.reason, message=str(refused), refused=refused))

    # --- attempts

    def current(self) -> Attempt | None:
        """Return the attempt that is under way; children whose status was lost are taken over."""
        last = self.status.last_attempt
        if last is not None:
            return last if last.end_time is None else None
        if not self.numbers():
            return None
        number = max(self.numbers())
        child = next(child for child in self.children if labels_of(child).get(ATTEMPT) == str(number))
        name, kind = child["metadata"]["name"], child["kind"]
        adopted = Attempt(number=number, name=name, kind=kind, uid=uid_of(child), created_time=stamp(self.now))
        self.status = replace(self.status, attempts=number, last_attempt=adopted)
        return adopted

    def begin(self) -> Decision:
        """Begin the next attempt, unless something speaks against it."""
        refused = refusal(self.run, self.world.served)
        before = [each for each in self.old.conditions if each.type == "Accepted"]
        if refused is None and before and before[0].reason == "Refused" and self.old.spec_hash == self.run.digest:
            refused = Refusal("Refused", "", before[0].message)
        if refused is not None:
            return self.refuse(refused)
        if any(live(pod) for pod in self.pods):
            return self.tell(
                Told(phase="Pending", reason="Waiting", message="pods of the attempt before are still there")
            )
        due = moment(self.status.next_attempt_time)
        if due is not None and due > self.now:
            self.after((due - self.now).total_seconds())
            last = self.status.last_attempt
            message = f"it is tried again at {self.status.next_attempt_time}: {plain(last.message) if last else ''}"
            return self.tell(Told(phase="Pending", reason="Retrying", message=message))
        room = room_of(self.run, self.world.served)
        assert room is not None  # `refusal` says so where there is none
        status = self.status
        number = max([status.attempts, *self.numbers()]) + 1
        attempt = Attempt(number=number, name=self.run.child(number), kind=room.LAUNCHES, created_time=stamp(self.now))
        history = [*status.history, *([status.last_attempt] if status.last_attempt else [])][-HISTORY:]
        self.status = replace(
            status,
            attempts=number,
            last_attempt=attempt,
            history=history,
            next_attempt_time=None,
            spec_hash=self.run.digest,
        )
        return self.make(attempt)

    def numbers(self) -> list[int]:
        """Return the numbers of attempts that children are of."""
        labels = [labels_of(child).get(ATTEMPT, "") for child in self.children]
        return [int(number) for number in labels if number.isascii() and number.isdigit() and len(number) < 7]

    def make(self, attempt: Attempt) -> Decision:
        """Have made what an attempt is made of."""
        room = room_of(self.run, self.world.served)
        if room is None or self.run.spec.graph is None:
            return self.close(
                attempt, End(reason="MappingMissing", message=f"the cluster has no {attempt.kind} any more")
            )
        wanted = [*inputs_map(self.run), *network_policy(self.run), *room.objects(self.run, attempt.number)]
        for thing in wanted:
            (self.done.create if thing["kind"] in FIXED else self.done.apply).append(thing)
        refs = [MappingRef(kind=thing["kind"], name=thing["metadata"]["name"]) for thing in wanted]
        self.status = replace(self.status, mapping_refs=refs)
        self.start_deadline(attempt)
        if self.old.reason == "Refused" and self.old.last_attempt == attempt:  # as long as it cannot be made
            trouble = Trouble(reason="Refused", message=self.old.message or "")
            return self.tell(Told(phase="Starting", reason="Refused", message=trouble.message, trouble=trouble))
        message = f"attempt {attempt.number} is made: {attempt.kind} {attempt.name}"
        return self.tell(Told(phase="Starting", reason="Created", message=message))

    def go_on(self, attempt: Attempt) -> Decision:
        """See how an attempt does, and act on it."""
        launched = next((child for child in self.children if _is(child, attempt)), None)
        number = labels_of(launched).get(ATTEMPT) if launched else str(attempt.number)
        pods = [pod for pod in self.pods if labels_of(pod).get(ATTEMPT) == number]
        if launched is None and attempt.kind in OPTIONAL and attempt.kind not in self.world.served:
            trouble = Trouble(reason="MappingMissing", message=f"this cluster has no {attempt.kind} at the moment")
            phase = self.old.phase or "Starting"
            return self.tell(Told(phase=phase, reason=trouble.reason, message=trouble.message, trouble=trouble))
        if launched is None:
            return self.absent(attempt, pods)
        seen = observe(launched, pods, self.now)
        attempt = self.noted(attempt, launched, seen)
        if attempt.reason is not None:
            return self.stop(attempt, launched, seen)
        if seen.end is not None:
            return self.close(attempt, seen.end)
        reason = self.to_stop(attempt, seen)
        if reason is not None:
            return self.stop(replace(attempt, reason=reason), launched, seen)
        if seen.settling:
            self.after(_SETTLE)
        return self.progress(attempt, seen)

    def absent(self, attempt: Attempt, pods: list[Object]) -> Decision:
        """Go on without the Job: it was not made yet, was deleted as intended, or by somebody else."""
        if attempt.uid is None and attempt.reason is None:
            if self.run.policy.suspend:
                return self.close(
                    attempt, End(reason="Suspended", message="it was suspended before it began", counts=False)
                )
            return self.make(attempt)
        if any(live(pod) for pod in pods):
            phase = {"Suspended": "Suspending"}.get(attempt.reason or "", "Stopping")
            return self.tell(Told(phase=phase, reason=attempt.reason or "LostMapping", message="its pods are ending"))
        if attempt.reason is None:
            message = f"{attempt.kind} {attempt.name} was deleted by somebody else"
            return self.close(attempt, End(reason="LostMapping", message=message, counts=False))
        return self.close(attempt, ENDS[attempt.reason])

    def noted(self, attempt: Attempt, launched: Object, seen: Observed) -> Attempt:
        """Note what is seen of an attempt."""
        started = stamp(seen.started) if seen.started else None
        attempt = replace(
            attempt,
            uid=uid_of(launched),
            start_time=attempt.start_time or started,
            logs_ref=seen.driver or attempt.logs_ref,
        )
        refs = [
            replace(ref, uid=uid_of(launched)) if (ref.kind, ref.name) == (attempt.kind, attempt.name) else ref
            for ref in self.status.mapping_refs
        ]
        self.status = replace(
            self.status,
            last_attempt=attempt,
            mapping_refs=refs,
            start_time=self.status.start_time or attempt.start_time,
        )
        return attempt

    def to_stop(self, attempt: Attempt, seen: Observed) -> str | None:
        """Return why an attempt is to be ended now."""
        policy = self.run.policy
        if policy.suspend:
            return "Suspended"
        begun = moment(self.status.start_time)
        if policy.active_deadline_seconds and begun is not None:
            left = policy.active_deadline_seconds - (self.now - begun).total_seconds()
            if left <= 0:
                return "Deadline"
            self.after(left)
        if attempt.start_time is None and not seen.queued and self.start_deadline(attempt):
            return "StartDeadline"
        return None

    def start_deadline(self, attempt: Attempt) -> bool:
        """Whether an attempt has taken too long to start."""
        limit, made = self.run.policy.start_deadline_seconds, moment(attempt.created_time)
        if not limit or made is None:
            return False
        left = limit - (self.now - made).total_seconds()
        self.after(left)
        return left <= 0

    def stop(self, attempt: Attempt, launched: Object, seen: Observed) -> Decision:
        """End an attempt; that it is to end is in its status before its Job is deleted."""
        if seen.end is not None and seen.end.good:
            return self.close(replace(attempt, reason=None), seen.end)
        self.status = replace(self.status, last_attempt=attempt)
        if not launched["metadata"].get("deletionTimestamp"):
            self.done.delete.append(Deletion(key=key_of(launched), uid=uid_of(launched)))
        phase = "Suspending" if attempt.reason == "Suspended" else "Stopping"
        end = ENDS[attempt.reason or ""]
        return self.tell(Told(phase=phase, reason=end.reason, message=end.message, seen=seen))

    def progress(self, attempt: Attempt, seen: Observed) -> Decision:
        """Say how an attempt does."""
        if seen.queued:
            return self.tell(Told(phase="Queued", reason="Queued", message="it waits in its queue", seen=seen))
        if seen.running:
            message = f"attempt {attempt.number} runs: {seen.ready} of {self.run.pods} pods ready"
            told = Told(phase="Running", reason="AsAsked", message=message, seen=seen, trouble=seen.trouble)
            return self.tell(replace(told, progress=self.world.progress))
        trouble = seen.trouble
        message = trouble.message if trouble else f"attempt {attempt.number} waits for its pods"
        reason = trouble.reason if trouble else "Created"
        return self.tell(Told(phase="Starting", reason=reason, message=message, seen=seen, trouble=trouble))

    # --- the end

    def close(self, attempt: Attempt, end: End) -> Decision:
        """Note how an attempt ended, and what comes then."""
        status, policy = self.status, self.run.policy
        closed = replace(
            attempt,
            end_time=stamp(self.now),
            reason=end.reason,
            message=plain(end.message),
            exit_code=end.exit_code,
            failed_pe=end.failed_pe,
        )
        failures = status.failures + (not end.good and end.counts)
        self.status = replace(status, last_attempt=closed, failures=failures)
        launched = next((child for child in self.children if _is(child, attempt)), None)
        seen = observe(launched, self.pods, self.now) if launched is not None else None
        if end.good:
            return self.finish(Told(phase="Succeeded", reason=end.reason, message=end.message, seen=seen))
        if end.reason == "Suspended":
            return self.tell(Told(phase="Suspended", reason="Suspended", message="it is suspended", suspended=True))
        if not end.again or failures > (policy.backoff_limit or 0):
            tried = end.again and bool(policy.backoff_limit)
            reason = "BackoffLimit" if tried else end.reason
            message = f"{failures} attempts failed, the last one so: {end.message}" if tried else end.message
            return self.finish(Told(phase="Failed", reason=reason, message=message, seen=seen))
        wait = delay(policy.backoff or Backoff(), self.status.attempts)
        self.status = replace(self.status, next_attempt_time=stamp(self.now + timedelta(seconds=wait)))
        self.after(wait)
        message = f"attempt {attempt.number} ended, and another follows: {end.message}"
        return self.tell(Told(phase="Pending", reason="Retrying", message=message, seen=seen))

    def finish(self, told: Told) -> Decision:
        """Note that the run is over."""
        self.status = replace(self.status, completion_time=stamp(self.now), next_attempt_time=None)
        self.tell(told)
        self.clean()
        return self.done

    def finished(self) -> Decision:
        """Clean up after a run that is over."""
        if self.status.observed_generation != self.run.generation:
            self.status = replace(self.status, observed_generation=self.run.generation)
            self.done.status = written(self.status)
        self.clean()
        return self.done

    def clean(self) -> None:
        """Delete what is not to stay, and when it is time the workflow itself."""
        try:
            policy = self.run.policy
        except Unreadable:
            return
        if policy.clean_pod_policy == "All":
            for child in self.children:
                if not child["metadata"].get("deletionTimestamp"):
                    self.done.delete.append(Deletion(key=key_of(child), uid=uid_of(child)))
        over = moment(self.status.completion_time)
        if policy.ttl_seconds_after_finished is not None and over is not None:
            left = policy.ttl_seconds_after_finished - (self.now - over).total_seconds()
            if left <= 0 and self.done.status is None:
                key = Key("Workflow", self.run.namespace, self.run.name)
                self.done.delete.append(Deletion(key=key, uid=self.run.uid))
            else:
                self.after(left)


def _is(child: Object, attempt: Attempt) -> bool:
    return (child["kind"], child["metadata"]["name"]) == (attempt.kind, attempt.name)


def refused(world: World, message: str, now: datetime) -> Decision:
    """Decide about a workflow whose children the cluster refuses for what they are."""
    course = _Course(world, now)
    attempt = course.current()
    if attempt is not None:
        closed = replace(attempt, end_time=stamp(now), reason="Refused", message=plain(message))
        course.status = replace(course.status, last_attempt=closed)
    course.status = replace(course.status, spec_hash=course.run.digest)
    return course.refuse(Refusal("Refused", "", plain(message)))


def hindered(world: World, message: str, now: datetime) -> Decision:
    """Decide about a workflow whose children the cluster does not let be made now."""
    course = _Course(world, now)
    trouble = Trouble(reason="Refused", message=plain(message))
    return course.tell(Told(phase="Starting", reason="Refused", message=trouble.message, trouble=trouble))


def status_of(workflow: Object) -> WorkflowStatus:
    """Return the status of a workflow; blank where it cannot be read: what is there will be seen anew."""
    try:
        return read(WorkflowStatus, workflow.get("status") or {})
    except Unreadable:
        return WorkflowStatus()
