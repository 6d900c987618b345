# SPDX-License-Identifier: Apache-2.0
"""What is to be there for a Workflow, and what its status is to say: one pure function of what is there and of the time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from d4py.resources import Unreadable, written
from d4py.resources.policies import OURSELVES, Backoff
from d4py.resources.status import HISTORY, Attempt, MappingRef
from d4py_operator import clock
from d4py_operator.accept import Refusal, refusal, templateless
from d4py_operator.attempts import child_of, newest, numbers, pods_of, unmade
from d4py_operator.cleaning import left_over, lifetime
from d4py_operator.decision import Decision, Deletion
from d4py_operator.mappings import room_of
from d4py_operator.objects import (
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
from d4py_operator.stopping import ENDS, delay, heard, to_stop
from d4py_operator.summary import Summary, plain
from d4py_operator.telling import Told, events, status_of, tell
from d4py_operator.troubles import trouble_of

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
    progress: Summary | None = None  # what the run itself says while it goes on


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
        self.old = status_of(world.workflow)
        self.status = clock.taken_over(self.old)
        self.done = Decision()
        self.away = frozenset(OPTIONAL) - world.served
        self.children = owned(world.children, world.workflow)  # as they were last known
        self.there = [child for child in self.children if child["kind"] not in self.away]
        self.run = Run(world.workflow, world.template, unmade(self.old, self.children))
        self.pods = [pod for pod in world.pods if self.run.selector.items() <= labels_of(pod).items()]

    def decision(self) -> Decision:
        """Decide. Whatever comes of it, nothing runs on of attempts that are over."""
        if self.old.completion_time:
            self.finished()
        else:
            self.go()
        self.done.delete += left_over(self.run, self.status, self.there)
        return self.done

    def go(self) -> Decision:
        """Bring a run that is not over nearer to its end."""
        refused = self.unreadable()
        if refused is not None:
            return self.refuse(refused)
        attempt = self.current()
        if attempt is not None:
            return self.go_on(attempt)
        if self.run.policy.suspend:
            return self.suspended()
        return self.begin()

    def tell(self, told: Told) -> Decision:
        """Put what is told into the status; one that says nothing new is not written."""
        self.status = tell(self.status, told, self.run, self.now)
        if self.status != self.old:
            self.done.status = written(self.status)
        self.done.events += events(self.old, self.status, told)
        return self.done

    def after(self, *seconds: float | None) -> None:
        """Have it looked at again in so long, if not earlier."""
        known = [max(0.0, each) for each in (self.done.again, *seconds) if each is not None]
        self.done.again = min(known, default=None)

    # --- not run

    def unreadable(self) -> Refusal | None:
        """Return why the spec cannot even be read."""
        try:
            missing = templateless(self.run)
        except Unreadable as error:
            return Refusal("InvalidSpec", error.path, error.reason)
        return missing if missing and self.current() is None else None

    def refuse(self, refused: Refusal) -> Decision:
        """Say why it is not run, and leave it: a change of it, or of its template, brings it back."""
        return self.tell(Told(phase="Pending", reason=refused.reason, message=str(refused), refused=refused))

    # --- attempts

    def current(self) -> Attempt | None:
        """Return the attempt that is under way; children whose status was lost are taken over."""
        last = self.status.last_attempt
        if last is not None:
            return last if last.end_time is None else None
        adopted = newest(self.children, self.now)
        if adopted is not None:
            self.status = replace(self.status, attempts=adopted.number, last_attempt=adopted)
        return adopted

    def begin(self) -> Decision:
        """Begin the next attempt, unless something speaks against it."""
        left = clock.left(self.run.policy.active_deadline_seconds, self.status, self.now)
        last = self.status.last_attempt
        if left is not None and left <= 0:
            message = ENDS["Deadline"].message + (f"; the last attempt ended so: {last.message}" if last else "")
            return self.finish(Told(phase="Failed", reason="Deadline", message=message))
        self.after(left)
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
            message = f"it is tried again at {self.status.next_attempt_time}: {plain(last.message) if last else ''}"
            return self.tell(Told(phase="Pending", reason="Retrying", message=message))
        status = self.status
        number = max([status.attempts, *numbers(self.children)]) + 1
        attempt = Attempt(number=number, name=self.run.child(number), created_time=stamp(self.now))
        history = [*status.history, *([status.last_attempt] if status.last_attempt else [])][-HISTORY:]
        self.status = replace(
            status,
            attempts=number,
            history=history,
            next_attempt_time=None,
            snapshot_nonce=self.run.spec.snapshot_nonce,
            checkpoint=status.checkpoint if self.run.continues else None,
        )
        return self.make(attempt)

    def make(self, attempt: Attempt) -> Decision:
        """Have made what an attempt is made of."""
        room = room_of(self.run, self.world.served)
        assert room is not None  # `refusal` says so where there is none
        # Both may be others than when it was noted.
        attempt = replace(attempt, kind=room.LAUNCHES, processes=self.run.processes or 1)
        wanted = [*inputs_map(self.run), *network_policy(self.run), *room.objects(self.run, attempt.number)]
        for thing in wanted:
            (self.done.create if thing["kind"] in FIXED else self.done.apply).append(thing)
        refs = [MappingRef(kind=thing["kind"], name=thing["metadata"]["name"]) for thing in wanted]
        self.status = replace(
            self.status,
            last_attempt=attempt,
            mapping_refs=refs,
            spec_hash=self.run.digest,
            template=self.run.given,
        )
        if self.old.reason == "Refused" and self.old.last_attempt == attempt:  # as long as it cannot be made
            trouble = Trouble(reason="Refused", message=self.old.message or "")
            return self.tell(Told(phase="Starting", reason="Refused", message=trouble.message, trouble=trouble))
        message = f"attempt {attempt.number} is being made: {attempt.kind} {attempt.name}"
        return self.tell(Told(phase="Starting", reason="Created", message=message))

    def go_on(self, attempt: Attempt) -> Decision:
        """See how an attempt does, and act on it."""
        launched = child_of(attempt, self.there)
        pods = pods_of(attempt, launched, self.pods)
        if launched is None:
            return self.absent(attempt, pods)
        seen = observe(launched, pods, self.now)
        attempt = self.noted(attempt, launched, seen)
        if attempt.reason is not None:
            return self.stop(attempt, launched, seen)
        if seen.end is not None and seen.over:
            return self.close(attempt, seen.end)
        self.status = heard(self.run, self.status, seen)
        reason, left = to_stop(self.run, self.status, attempt, seen, self.now)
        if reason is not None:
            return self.stop(replace(attempt, reason=reason), launched, seen)
        trouble, doubtful = trouble_of(self.run, self.old, attempt, seen, pods, self.now)
        self.after(left, doubtful, seen.again)
        return self.progress(attempt, seen, trouble)

    def absent(self, attempt: Attempt, pods: list[Object]) -> Decision:
        """Go on without the Job: it was not made yet, its kind is away, it was deleted as intended, or by somebody else."""
        reason, left = to_stop(self.run, self.status, attempt, None, self.now)
        self.after(left)
        away, goes_on = attempt.kind in self.away, any(live(pod) for pod in pods)
        made = attempt.uid is not None or (away and (goes_on or child_of(attempt, self.children) is not None))
        if reason is None and not made:  # of the kind that there is now
            refused = templateless(self.run) or refusal(self.run, self.world.served)
            return self.refuse(refused) if refused else self.make(attempt)
        missing = f"this cluster has no {attempt.kind} at the moment"
        gone = (self.old.phase, self.old.reason) == ("Stopping", "LostMapping")  # which was seen before its kind went
        if reason is None and away and not gone:
            trouble = Trouble(reason="MappingMissing", message=missing)
            phase = "Running" if attempt.start_time else "Starting"
            return self.tell(Told(phase=phase, reason=trouble.reason, message=missing, trouble=trouble))
        lost = f"{attempt.kind} {attempt.name} was deleted by somebody else"
        end = ENDS[reason] if reason else End(reason="LostMapping", message=lost, counts=False)
        if not goes_on:
            return self.close(attempt, end)
        return self.ending(end, f"{missing}: its pods are waited for" if away else "its pods are ending")

    def noted(self, attempt: Attempt, launched: Object, seen: Observed) -> Attempt:
        """Note what is seen of an attempt."""
        started = stamp(seen.started) if seen.started else None
        attempt = replace(
            attempt,
            uid=uid_of(launched),
            start_time=attempt.start_time or started,
            logs_ref=(seen.driver if started else None) or attempt.logs_ref,  # before that it has none
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
            template=self.status.template or self.run.given,  # which older operators did not note
        )
        self.status = clock.counted(self.status, seen, self.now)
        return attempt

    def stop(self, attempt: Attempt, launched: Object, seen: Observed) -> Decision:
        """End an attempt; that it is to end is in its status before its Job is deleted."""
        if seen.end is not None and seen.end.good:
            return self.close(replace(attempt, reason=None), seen.end)
        self.status = replace(self.status, last_attempt=attempt)
        if not launched["metadata"].get("deletionTimestamp"):
            self.done.delete.append(Deletion(key=key_of(launched), uid=uid_of(launched)))
        end = ENDS[attempt.reason or ""]
        return self.ending(end, end.message, seen)

    def ending(self, end: End, message: str, seen: Observed | None = None) -> Decision:
        """Say that an attempt is about to end."""
        phase = "Suspending" if end.reason == "Suspended" else "Stopping"
        return self.tell(Told(phase=phase, reason=end.reason, message=message, seen=seen))

    def progress(self, attempt: Attempt, seen: Observed, trouble: Trouble | None) -> Decision:
        """Say how an attempt does."""
        if seen.queued:
            return self.tell(Told(phase="Queued", reason="Queued", message="it waits in its queue", seen=seen))
        if seen.running or attempt.start_time:  # its pod may have ended a moment before its Job
            message = f"attempt {attempt.number} runs: {seen.ready} of {self.run.pods} pods ready"
            reason, message = (trouble.reason, trouble.message) if trouble else ("AsAsked", message)
            told = Told(phase="Running", reason=reason, message=message, seen=seen, trouble=trouble)
            return self.tell(replace(told, progress=self.world.progress))
        message = trouble.message if trouble else f"attempt {attempt.number} waits for its pods"
        reason = trouble.reason if trouble else "Created"
        return self.tell(Told(phase="Starting", reason=reason, message=message, seen=seen, trouble=trouble))

    # --- the end

    def close(self, attempt: Attempt, end: End) -> Decision:
        """Note how an attempt ended, and what comes then."""
        policy = self.run.policy
        closed = replace(
            attempt,
            end_time=stamp(self.now),
            reason=end.reason,
            message=plain(end.message),
            exit_code=end.exit_code,
            failed_pe=end.failed_pe,
        )
        failures = self.status.failures + (not end.good and end.counts)
        self.status = replace(self.status, last_attempt=closed, failures=failures)
        launched = child_of(attempt, self.there)
        seen = observe(launched or {}, pods_of(attempt, launched, self.pods), self.now)
        if end.good:
            return self.finish(Told(phase="Succeeded", reason=end.reason, message=end.message, seen=seen))
        if end.reason == "Suspended":
            return self.suspended(seen)
        if not end.again or failures > (policy.backoff_limit or 0):
            tried = end.again and bool(policy.backoff_limit)
            reason = "BackoffLimit" if tried else end.reason
            message = f"{failures} attempts failed, the last one so: {end.message}" if tried else end.message
            return self.finish(Told(phase="Failed", reason=reason, message=message, seen=seen))
        if end.reason == "Snapshot":
            self.after(0)
            return self.tell(
                Told(phase="Pending", reason="Snapshot", message=f"{end.message}; another attempt goes on", seen=seen)
            )
        wait = delay(policy.backoff or Backoff(), failures)
        self.status = replace(self.status, next_attempt_time=stamp(self.now + timedelta(seconds=wait)))
        self.after(wait)
        message = f"attempt {attempt.number} ended, and another follows: {end.message}"
        return self.tell(Told(phase="Pending", reason="Retrying", message=message, seen=seen))

    def suspended(self, seen: Observed | None = None) -> Decision:
        """Note that nothing is to run: its time counts anew when it goes on."""
        self.status = clock.anew(self.status)
        return self.tell(
            Told(phase="Suspended", reason="Suspended", message="it is suspended", suspended=True, seen=seen)
        )

    def finish(self, told: Told) -> Decision:
        """Note that the run is over."""
        self.status = replace(self.status, completion_time=stamp(self.now), next_attempt_time=None)
        self.after(lifetime(self.run, self.status, self.now))
        return self.tell(told)

    def finished(self) -> Decision:
        """Have a run that is over go when its time has come."""
        left = lifetime(self.run, self.status, self.now)
        self.after(left)
        if self.status.observed_generation != self.run.generation:
            self.status = replace(self.status, observed_generation=self.run.generation)
            self.done.status = written(self.status)
        elif left is not None and left <= 0:
            self.done.delete.append(Deletion(key=key_of(self.run.thing), uid=self.run.uid))
            self.done.again = None
        return self.done


def refused(world: World, message: str, now: datetime) -> Decision:
    """Decide about a workflow whose children the cluster refuses for what they are."""
    course = _Course(world, now)
    attempt = course.current()
    if attempt is not None:
        closed = replace(attempt, end_time=stamp(now), reason="Refused", message=plain(message))
        course.status = replace(course.status, last_attempt=closed)
    course.status = replace(course.status, spec_hash=course.run.digest, template={})  # which may be mended
    return course.refuse(Refusal("Refused", "", plain(message)))


def hindered(world: World, message: str, now: datetime) -> Decision:
    """Decide about a workflow whose children the cluster does not let be made now."""
    course = _Course(world, now)
    trouble = Trouble(reason="Refused", message=plain(message))
    return course.tell(Told(phase="Starting", reason="Refused", message=trouble.message, trouble=trouble))
