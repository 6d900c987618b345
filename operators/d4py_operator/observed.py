# SPDX-License-Identifier: Apache-2.0
"""How an attempt is doing, by its Job or MPIJob and by its pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from d4py_operator.objects import ROLE, Object, condition, labels_of, moment
from d4py_operator.summary import Summary, plain, summary

_INDEX = "batch.kubernetes.io/job-completion-index"
_MPI_ROLE, _REPLICA = "training.kubeflow.org/job-role", "training.kubeflow.org/replica-index"
_PULL = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_SETTLING = 5.0  # seconds in which news of a pod may come after news of its Job


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
    started: datetime | None = None
    trouble: Trouble | None = None
    end: End | None = None
    settling: bool = False  # it is over, and how will be known in a moment
    said: Summary | None = None
    image: str | None = None
    driver: str | None = None


def observe(launched: Object, pods: Sequence[Object], now: datetime) -> Observed:
    """Look at the Job or MPIJob of an attempt and its pods."""
    driver = _driver(pods)
    done = _over(launched)
    exited = _exited(driver)
    since = moment(str(done.get("lastTransitionTime", ""))) if done else None
    settling = bool(done) and exited is None and since is not None and (now - since).total_seconds() < _SETTLING
    said = summary(exited.get("message")) if exited else None
    suspended = (launched.get("spec") or {}).get("suspend") or (launched.get("spec") or {}).get("runPolicy", {}).get(
        "suspend"
    )
    running = driver is not None and (driver.get("status") or {}).get("phase") == "Running"
    return Observed(
        queued=bool(suspended) and not done,
        running=running and not done,
        ready=sum(1 for pod in pods if _is_ready(pod) and not _launches_only(pod)),
        started=moment((driver.get("status") or {}).get("startTime")) if driver and (running or exited) else None,
        trouble=None if done else next(_troubles(pods), None),
        end=_end(done, driver, exited, said) if done and not settling else None,
        settling=settling,
        said=said,
        image=_image(driver),
        driver=driver["metadata"]["name"] if driver else None,
    )


def live(pod: Object) -> bool:
    """Whether a pod may still do something."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _driver(pods: Sequence[Object]) -> Object | None:
    """Return the pod that leads the run: of several that tried, the newest."""
    leading = [pod for pod in pods if labels_of(pod).get(ROLE) == "driver" or labels_of(pod).get(_INDEX) == "0"]
    return max(leading, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), default=None)


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


def _containers(pod: Object | None) -> list[Object]:
    found: list[Object] = ((pod or {}).get("status") or {}).get("containerStatuses") or []
    return found


def _exited(driver: Object | None) -> Object | None:
    for each in _containers(driver):
        if ended := (each.get("state") or {}).get("terminated"):
            found: Object = ended
            return found
    return None


def _image(driver: Object | None) -> str | None:
    for each in _containers(driver):
        identity: str = each.get("imageID") or ""
        return identity.rpartition("://")[2] or None
    return None


def _is_ready(pod: Object) -> bool:
    return bool(condition(pod, "Ready"))


def _troubles(pods: Sequence[Object]) -> Iterator[Trouble]:
    """Yield what keeps pods from starting, what matters most first."""
    for pod in pods:
        name = pod["metadata"]["name"]
        for each in _containers(pod):
            waiting = (each.get("state") or {}).get("waiting") or {}
            word = waiting.get("reason")
            reason = "ImagePull" if word in _PULL else "ConfigMissing" if word in _CONFIG else None
            if reason:
                yield Trouble(reason=reason, message=f"pod {name}: {word}: {plain(waiting.get('message'))}")
    for pod in pods:
        for each in (pod.get("status") or {}).get("conditions") or ():
            if each.get("type") == "PodScheduled" and each.get("status") == "False":
                message = f"pod {pod['metadata']['name']}: {plain(each.get('message'))}"
                yield Trouble(reason="Unschedulable", message=message)


def _end(done: Any, driver: Object | None, exited: Object | None, said: Summary | None) -> End:
    if exited is None:
        if done.get("type") in ("Complete", "Succeeded"):
            return End(reason="Done", message="the run is done", good=True, exit_code=0)
        if _evicted(driver):
            return End(
                reason="Evicted",
                message=plain((driver or {}).get("status", {}).get("message")) or "its pod was evicted",
                counts=False,
            )
        return End(reason="PodFailed", message=plain(done.get("message")) or "its pod is gone")
    code = exited.get("exitCode", 0)
    if said is not None and said.exit_code and code:
        code = said.exit_code  # what starts ranks may have an exit code of its own; none makes good what failed
    message = said.error if said and said.error else ""
    failed = said.failed_pe if said else None
    if exited.get("reason") == "OOMKilled":
        return End(reason="OutOfMemory", message="it took more memory than its limit", exit_code=code)
    if code not in (0, 4) and _evicted(driver):
        return End(
            reason="Evicted", message=message or "its pod was told to leave its node", counts=False, exit_code=code
        )
    return _by_code(code, message, failed, world=said is not None and said.world)


def _by_code(code: int, message: str, failed: str | None, *, world: bool) -> End:
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


def _evicted(pod: Object | None) -> bool:
    if pod is None:
        return False
    return (pod.get("status") or {}).get("reason") == "Evicted" or bool(condition(pod, "DisruptionTarget"))
