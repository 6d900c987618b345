# SPDX-License-Identifier: Apache-2.0
"""How an attempt is doing, by its Job or MPIJob and by its pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from d4py_operator.objects import ROLE, Object, condition, labels_of, moment
from d4py_operator.summary import Summary, plain, summary

_INDEX = "batch.kubernetes.io/job-completion-index"
_MPI_ROLE, _REPLICA = "training.kubeflow.org/job-role", "training.kubeflow.org/replica-index"
_DISRUPTED = "PodFailurePolicy"  # a Job's word for a pod that was told to leave its node: it has no other such rule
_OURS = ("d4py", "launcher", "worker")  # containers, as the mappings name them
_TERMINATED = 143  # the exit code of what ends of TERM: 128 and its number
_SETTLING = 5.0  # seconds in which news of a pod may come after news of its Job
_LINGERING = 60.0  # seconds in which a Job says that it is over whose work is


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why something does not go on."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended. `good`: it did what was asked. `again`: another may do better. `counts`: against backoffLimit."""

    reason: str
    message: str
    good: bool = False
    again: bool = True
    counts: bool = True
    exit_code: int | None = None
    failed_pe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is seen of an attempt."""

    queued: bool = False
    running: bool = False
    ready: int = 0
    let: datetime | None = None  # when its Job was made, or let go by its queue
    started: datetime | None = None
    end: End | None = None  # how it ended, as its driver says
    over: bool = False  # whether that is the end of it
    again: float | None = None  # seconds after which more is known, though nothing need happen
    said: Summary | None = None
    image: str | None = None
    driver: str | None = None


def observe(launched: Object, pods: Sequence[Object], now: datetime) -> Observed:
    """Look at the Job or MPIJob of an attempt and its pods."""
    driver = _driver(pods)
    done, exited = _over(launched), _exited(driver)
    said = summary(exited.get("message")) if exited else None
    spec = launched.get("spec") or {}
    queued = bool(spec.get("suspend") or spec.get("runPolicy", {}).get("suspend")) and not done
    ended = bool(done or exited) and not queued  # what a queue takes back begins anew
    end = _end(done, pods, driver, said) if ended else None
    heard = said is not None or _explained(done, pods, exited)
    # A Job deletes the pods beside one that has failed, and what they tell is gone when it says that it is over.
    last = bool(exited) and end is not None and end.reason == "OutOfMemory" and over(launched)
    again = _unclear(done, exited, now, heard=heard) if ended and not last else None
    running = driver is not None and exited is None and (driver.get("status") or {}).get("phase") == "Running"
    return Observed(
        queued=queued,
        running=running and not done,
        ready=sum(1 for pod in pods if is_ready(pod) and not _launches_only(pod)),
        let=_let(launched),
        started=_started(driver) if driver and (running or exited) else None,
        end=end,
        over=ended and again is None,
        again=again,
        said=said,
        image=_image(driver),
        driver=driver["metadata"]["name"] if driver else None,
    )


def over(launched: Object) -> bool:
    """Whether a Job or MPIJob says that it is over, or that it has failed and only waits for its pods to go."""
    return bool(_over(launched) or condition(launched, "FailureTarget"))


def _unclear(done: Any, exited: Object | None, now: datetime, *, heard: bool) -> float | None:
    """Return in how many seconds it is clear that an attempt is over: Job and pod tell it one after the other, or only one of them ever does."""
    since = moment(str(done.get("lastTransitionTime", "")))
    if done:
        doubtful = exited is None or not heard
        settling = doubtful and since is not None and (now - since).total_seconds() < _SETTLING
        return 1.0 if settling else None
    if exited is None:
        return None
    ended = moment(exited.get("finishedAt")) or now
    left = _LINGERING - (now - ended).total_seconds()
    return left if left > 0 else None


def _started(driver: Object) -> datetime | None:
    """Return when ours started in its pod, which started when a node took it: then images are pulled. What never started says 1970."""
    states = [each.get("state") or {} for each in own(driver)]
    times = [(state.get("running") or state.get("terminated") or {}).get("startedAt") for state in states]
    found = (moment(time) for time in (*times, (driver.get("status") or {}).get("startTime")))
    return max((time for time in found if time is not None), default=None)


def _let(launched: Object) -> datetime | None:
    """Return since when pods may be made. What was suspended starts when it no longer is."""
    made = (launched.get("metadata") or {}).get("creationTimestamp")
    times = (moment(made), moment((launched.get("status") or {}).get("startTime")))
    return max((time for time in times if time is not None), default=None)


def live(pod: Object) -> bool:
    """Whether a pod may still do something."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _driver(pods: Sequence[Object]) -> Object | None:
    """Return the pod that leads the run: of several that tried, the newest."""
    leading = filter(_leads, pods)
    return max(leading, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)


def _leads(pod: Object) -> bool:
    return labels_of(pod).get(ROLE) == "driver" or labels_of(pod).get(_INDEX) == "0"


def leading_address(things: Sequence[Object]) -> str | None:
    """Return the address of the pod in which the first process of a run is, of those that were made for a workflow."""
    for thing in things:
        labels, status = labels_of(thing), thing.get("status") or {}
        first = labels.get(_INDEX, labels.get(_REPLICA, "0")) == "0" and labels.get(_MPI_ROLE) != "launcher"
        if thing["kind"] == "Pod" and first and status.get("phase") == "Running" and status.get("podIP"):
            address: str = status["podIP"]
            return address
    return None


def _launches_only(pod: Object) -> bool:
    return labels_of(pod).get(ROLE) == "driver" and labels_of(pod).get(_MPI_ROLE) == "launcher"


def _over(launched: Object) -> Any:
    for kind in ("Complete", "Succeeded", "Failed"):
        if found := condition(launched, kind):
            return found
    return {}


def _said_of(pod: Object | None, which: str) -> list[Object]:
    found: list[Object] = ((pod or {}).get("status") or {}).get(which) or []
    return found


def containers(pod: Object) -> list[Object]:
    """Return what is said of each container of a pod, those first that come before ours."""
    return [*_said_of(pod, "initContainerStatuses"), *_said_of(pod, "containerStatuses")]


def own(pod: Object | None) -> list[Object]:
    """Return what is said of the container that is ours: meshes put others beside it. All, where none bears our name."""
    found = _said_of(pod, "containerStatuses")
    return [each for each in found if each.get("name") in _OURS] or found


def _exited(driver: Object | None) -> Object | None:
    for each in own(driver):
        if ended := (each.get("state") or {}).get("terminated"):
            found: Object = ended
            return found
    return None


def _image(driver: Object | None) -> str | None:
    for each in own(driver):
        identity: str = each.get("imageID") or ""
        return identity.rpartition("://")[2] or None
    return None


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready."""
    return bool(condition(pod, "Ready"))


def _before(driver: Object | None) -> str:
    """Return which container before ours has failed; nothing where none has."""
    for each in _said_of(driver, "initContainerStatuses"):
        code = ((each.get("state") or {}).get("terminated") or {}).get("exitCode")
        if code:
            return f"its container {each.get('name')} exited with {code} before the run began"
    return ""


def _end(done: Any, pods: Sequence[Object], driver: Object | None, said: Summary | None) -> End:
    exited = _exited(driver)
    # Ranks that lost a pod are ended by their launcher, and say nothing.
    evicted = _evicted(done, pods if said is None else [driver] if driver else [])
    if exited is None:
        if done.get("type") in ("Complete", "Succeeded"):
            return End(reason="Done", message="the run is done", good=True, exit_code=0)
        before = _before(driver)
        fallen = None if before else _fallen(pods, exited)
        message = before or plain(done.get("message")) or "its pod is gone"
        return evicted or fallen or End(reason="PodFailed", message=message)
    code = exited.get("exitCode", 0)
    if said is not None and said.exit_code and code:
        code = said.exit_code  # what starts ranks may have an exit code of its own; none makes good what failed
    message = said.error if said and said.error else ""
    failed = said.failed_pe if said else None
    if code in (0, 4):
        return _by_code(code, message, failed)
    if exited.get("reason") == "OOMKilled":
        return End(reason="OutOfMemory", message="it took more memory than its limit", exit_code=code)
    if evicted is not None:
        return replace(
            evicted, message=evicted.message if evicted.counts else message or evicted.message, exit_code=code
        )
    fallen = _fallen(pods, exited) if said is None else None
    if fallen is not None:
        return replace(fallen, exit_code=code)
    if code == 2 and said is not None and said.missing:
        return End(reason="InputsMissing", message=message or "its inputs cannot be fetched", exit_code=2)
    return _by_code(code, message, failed, world=said is not None and said.world)


def _by_code(code: int, message: str, failed: str | None, *, world: bool = False) -> End:
    """Return what an exit code of d4py run means."""
    if code == 0:
        return End(reason="Done", message="the run is done, and its books balance", good=True, exit_code=0)
    if code == 4:
        return End(
            reason="Quarantined", message=message or "the run is done, with items in quarantine", good=True, exit_code=4
        )
    if code == 2:
        reason = "WorldSizeMismatch" if world else "InvalidGraph"
        return End(reason=reason, message=message or "d4py refused to start it: see its logs", again=False, exit_code=2)
    if code == 3:
        return End(reason="PEFailed", message=message or "a PE failed it: see its logs", exit_code=3, failed_pe=failed)
    if code == 5:
        return End(reason="Stopped", message=message or "it was stopped", exit_code=5)
    if code == 6:
        return End(reason="BooksDiffer", message=message or "its books do not balance", again=False, exit_code=6)
    return End(reason="PodFailed", message=message or f"its process exited with {code}", exit_code=code)


def _explained(done: Any, pods: Sequence[Object], exited: Object | None) -> bool:
    """Whether nothing further is to be heard of why a driver ended: it ended well, or of a pod that tells it, or there is none left to tell it."""
    well = exited is not None and exited.get("exitCode", 0) in (0, 4)
    serving = any(live(pod) for pod in pods if not _leads(pod))
    return well or not serving or (_evicted(done, pods) or _fallen(pods, exited)) is not None


def _fallen(pods: Sequence[Object], driver: Object | None) -> End | None:
    """Return how a pod beside the driver ended that took the ranks with it; None where none did. driver: how that one ended, if it is known.

    Memory may run out in a process beside the first one of a pod, which is told when that ends.
    """
    beside = [(pod, ended) for pod in pods if not _leads(pod) and (ended := _exited(pod))]
    beside.sort(key=lambda each: str(each[1].get("finishedAt")))
    for pod, ended in beside:
        if ended.get("reason") == "OOMKilled":
            return End(reason="OutOfMemory", message=f"pod {pod['metadata']['name']} took more memory than its limit")
    for pod, ended in beside:
        if (code := ended.get("exitCode")) and _by_itself(pod, ended, driver):
            return End(reason="PodFailed", message=f"pod {pod['metadata']['name']} exited with {code}")
    return None


def _by_itself(pod: Object, ended: Object, driver: Object | None) -> bool:
    """Whether a pod ended before its driver did, and not since it was told to.

    Times are in whole seconds. Within one, a Job may delete a pod that has ended: only what ends of TERM ends so soon of being told to.
    """
    told = bool(pod["metadata"].get("deletionTimestamp"))
    if driver is None:
        return not told
    at, until = moment(ended.get("finishedAt")), moment(driver.get("finishedAt"))
    if at is None or until is None:
        return False
    return at < until or (at == until and not (told and ended.get("exitCode") == _TERMINATED))


def _evicted(done: Any, pods: Sequence[Object]) -> End | None:
    """Return that pods had to leave: no failure where a node is drained or needs the room.

    A kubelet that ends a pod for taking more storage than its own limit gives no such condition: the next would take as much.
    """
    told = [pod for pod in pods if condition(pod, "DisruptionTarget")]
    left = told or [pod for pod in pods if (pod.get("status") or {}).get("reason") == "Evicted"]
    free = bool(told) or done.get("reason") == _DISRUPTED
    if not free and not left:
        return None
    messages = [plain(pod["status"].get("message")) for pod in left]
    message = next(filter(None, messages), "its pod was told to leave its node")
    return End(reason="Evicted", message=message, counts=not free)
