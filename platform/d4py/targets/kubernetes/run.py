# SPDX-License-Identifier: Apache-2.0
"""A run on a cluster: its workflow, and what is asked of it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError, UnknownRun, UsageError
from d4py.runs import Status, new_id
from d4py.targets.kubernetes.client import Cluster, Unreachable
from d4py.targets.kubernetes.following import AWAY, followed
from d4py.targets.kubernetes.status import SCHEME, run_id, state_of, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.runs import State
    from d4py.targets.kubernetes.patience import Patience

_LAST_WORD = '{"d4py": 1, "run": '  # of ranks to what started them, which tells their pod
_LOOK = 1.0  # seconds between two questions to the cluster


class Run:
    """One workflow of a cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name
        self._known: dict[str, Any] = {}
        self._asked = 0.0

    @property
    def id(self) -> str:
        """Its id."""
        return f"{SCHEME}{self.cluster.namespace}/{self.name}"

    def state(self) -> State:
        """Return its state; the cluster is asked now and then only."""
        if not self._known or time.monotonic() - self._asked > _LOOK:
            self.look()
        return state_of(self._known)

    def awaited(self, patience: Patience) -> State:
        """Return its state, for one who waits for it, and whom a cluster may leave for a while. Raises UsageError where that is in vain."""
        try:
            state = self.state()
        except Unreachable:
            if not self._known or time.monotonic() - self._asked > AWAY:
                raise
            return state_of(self._known)
        except UnknownRun:
            if not self._known:
                raise
            raise UnknownRun(f"The run {self.id!r} is not there any more: its workflow was deleted.") from None
        patience.look(self._known)
        return state

    def told(self) -> str:
        """Return what there is to say beside its state."""
        return told(self._known or self.look())

    def look(self) -> dict[str, Any]:
        """Return the workflow as it is now."""
        self._known = self.cluster.get(self.name)
        self._asked = time.monotonic()
        return self._known

    def cancel(self) -> None:
        """Delete the workflow, and with it its pods."""
        self.cluster.delete(self.name)

    def gone(self) -> bool:
        """Whether there is no such workflow any more."""
        try:
            self.look()
        except UnknownRun:
            return True
        return False

    def suspend(self) -> None:
        """Ask for a checkpoint, and an end of the pods."""
        self._suspended(True)

    def resume(self) -> None:
        """Ask for a new attempt of what was suspended. Raises StateError for what was not."""
        state = state_of(self.look())
        ended = state.status in (Status.DONE, Status.FAILED)  # before it was suspended, though that was asked for
        if ended or not (self._known["spec"].get("runPolicy") or {}).get("suspend"):
            hint = "Submit it anew." if state.status.over else f"See d4py status {self.id}."
            raise StateError(f"The run {self.id!r} is {state.status.value}, not suspended.", hint=hint)
        self._suspended(False)

    def snapshot(self) -> None:
        """Ask for a checkpoint now. Raises UsageError where the workflow has nowhere to keep one."""
        self._known = self.cluster.patch(self.name, {"spec": {"snapshotNonce": new_id()}})

    @property
    def plan(self) -> dict[str, int]:
        """How many instances PEs have, by their names; nothing where that is not known."""
        told: dict[str, int] = ((self._known or self.look()).get("status") or {}).get("plan") or {}
        return told

    @property
    def continues(self) -> bool:
        """Whether a new attempt goes on from a checkpoint."""
        conditions = (self._known.get("status") or {}).get("conditions") or ()
        return any((each["type"], each["status"]) == ("CheckpointReady", "True") for each in conditions)

    def pods_gone(self) -> bool:
        """Whether it had a pod that has printed something, and has none any more."""
        attempt = (self._known.get("status") or {}).get("lastAttempt") or {}
        return bool(attempt.get("logsRef")) and not self._drivers()

    @property
    def snapshotted(self) -> bool:
        """Whether what was asked for was acted on."""
        given, status = self._known["spec"], self._known.get("status") or {}
        return bool(given.get("snapshotNonce") == status.get("snapshotNonce"))

    def _suspended(self, wanted: bool) -> None:
        self._known = self.cluster.patch(self.name, {"spec": {"runPolicy": {"suspend": wanted}}})

    def lines(self, *, follow: Patience | None = None, last: int | None = None) -> Iterator[str]:
        """Yield what the newest attempt has printed. follow: and those after it, with so much patience, until the run is over."""
        read: set[str] = set()
        while True:
            over = (state_of(self.look()) if follow is None else self.awaited(follow)).status.over
            drivers: list[dict[str, Any]] = []
            with suppress(*([] if follow is None else [Unreachable])):
                drivers = [pod for pod in self._drivers() if pod["status"].get("phase") != "Pending"]
            fresh = [pod["metadata"]["name"] for pod in drivers if pod["metadata"]["name"] not in read][-1:]
            for name in fresh:
                read.update(pod["metadata"]["name"] for pod in drivers)
                said = self.cluster.log(name, last=last) if follow is None else followed(self.cluster, name, last)
                yield from (line for line in said if not line.startswith(_LAST_WORD))
            if follow is None or (over and not fresh):
                return
            if not fresh:
                time.sleep(_LOOK)

    def _drivers(self) -> list[dict[str, Any]]:
        """Return the pods that speak for the run, the oldest first: where ranks start without a launcher, that of the first."""
        return [
            pod for pod in self.cluster.pods(f"d4py.dev/workflow={self.name}") if _speaks(pod["metadata"]["labels"])
        ]


def _speaks(labels: dict[str, str]) -> bool:
    return labels.get("d4py.dev/role") == "driver" or labels.get("batch.kubernetes.io/job-completion-index") == "0"


def find(text: str) -> Run | None:
    """Return the run with this id; None where it is no run on Kubernetes. Raises UsageError for half an id."""
    if not text.startswith(SCHEME):
        return None
    namespace, _, name = text.removeprefix(SCHEME).partition("/")
    if not namespace or not name or "/" in name:
        raise UsageError(f"{text!r} names no run.", hint=f"Write it as {SCHEME}NAMESPACE/NAME.")
    return Run(Cluster(namespace=namespace), name)


def runs(cluster: Cluster, *, everywhere: bool = False) -> list[State]:
    """Return the states of the runs of a namespace, or of all, the newest first."""
    found = cluster.all(everywhere=everywhere)
    found.sort(key=lambda each: (each["metadata"]["creationTimestamp"], run_id(each)), reverse=True)
    return [state_of(each) for each in found]
