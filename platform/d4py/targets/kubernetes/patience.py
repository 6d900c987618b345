# SPDX-License-Identifier: Apache-2.0
"""How long someone waits for a run that does not begin, and what is told meanwhile: once what keeps it, and with it the remedy.

What no waiting mends ends the wait. The run itself is left as it is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from d4py.errors import UsageError
from d4py.targets.kubernetes.status import resumed, run_id

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 20.0  # seconds: a kubelet asks a second time after ten
SOON = 3.0  # seconds in which a claim is bound, or the pods of an attempt before leave
UNHEARD = 90.0  # seconds in which a pod that has a node begins; after 60 the operator tells what it mounts in vain
_LOCKED = ("401 Unauthorized", "403 Forbidden", "authentication required", "access denied")
_LATER = {
    "TemplateMissing": "Create it: the run begins by itself then.",
    "MappingMissing": "The run begins by itself when it is there.",
}
_SHOWN = 240  # letters of what a cluster says


class Hindrance(NamedTuple):
    """What keeps a run from beginning, or from going on."""

    reason: str
    what: str
    remedy: str
    patience: float  # seconds in which it may still mend itself
    vain: bool = False  # whether somebody has to mend it, so that nobody waits for it

    @property
    def line(self) -> str:
        """The same in one line."""
        return f"{self.what} {self.remedy}"


class Patience:
    """Of one who waits."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """say: is told in one line what the run waits for."""
        self._say, self._clock = say, clock
        self._reason: str | None = None
        self._since, self._said = 0.0, False

    def look(self, workflow: dict[str, Any]) -> None:
        """Go on waiting, or raise UsageError: something that is in vain to wait for has kept it for long enough."""
        found = hindrance(workflow)
        if found is None:
            self._reason = None
            return
        if found.reason != self._reason:
            self._reason, self._since, self._said = found.reason, self._clock(), False
        if self._said or self._clock() - self._since < found.patience:
            return
        if found.vain:
            raise UsageError(found.what, hint=found.remedy)
        self._say(found.line)
        self._said = True


def hindrance(workflow: dict[str, Any]) -> Hindrance | None:
    """Return what keeps a run from beginning, or from going on. Pure."""
    status, run = workflow.get("status") or {}, run_id(workflow)
    reason, phase = str(status.get("reason") or ""), status.get("phase") or ""
    said = _said(str(status.get("message") or ""))
    if any((each["type"], each["status"]) == ("Accepted", "False") for each in status.get("conditions") or ()):
        if reason in _LATER:
            return Hindrance(reason, f"The run {run!r} is not run yet: {said}.", _LATER[reason], SOON)
        remedy = f"Delete it and send it anew: d4py cancel {run}."
        return Hindrance(reason, f"The run {run!r} is not run: {said}.", remedy, 0.0, vain=True)
    if phase == "Starting" and reason in ("ImagePull", "ConfigMissing"):
        begun_anew = f"It begins by itself then; d4py cancel {run} deletes it."
        image = workflow["spec"].get("image") or "of its template"
        what, remedy = {
            "ImagePull": (
                f"The image {image!r} of the run {run!r} cannot be pulled: {said}.",
                "Give a Secret in imagePullSecrets, in --values: its registry wants a password."
                if any(word in said for word in _LOCKED)
                else "Push it, or name another with --image.",
            ),
            "ConfigMissing": (f"The run {run!r} lacks something: {said}.", "Create it."),
        }[reason]
        return Hindrance(reason, what, f"{remedy} {begun_anew}", LONGEST, vain=True)
    what, remedy, patience = _awaited(workflow, phase, reason, said) or ("", "", 0.0)
    return Hindrance(reason or phase, f"The run {run!r} waits: {what}.", remedy, patience) if what else None


def _awaited(workflow: dict[str, Any], phase: str, reason: str, said: str) -> tuple[str, str, float] | None:
    """Return what a run waits for, what can be done, and how long nothing need be."""
    name, kubectl = workflow["metadata"]["name"], f"kubectl -n {workflow['metadata']['namespace']}"
    why = f"{kubectl} describe pods -l d4py.dev/workflow={name} says why."
    match phase, reason:
        case "", _:
            found = "no operator has seen it yet", "Ask whoever keeps the cluster: helm list -A shows d4py.", LONGEST
        case "Suspended", _ if resumed(workflow):
            found = (
                "no operator has seen yet that it is to go on",
                "Ask whoever keeps the cluster: helm list -A shows d4py.",
                LONGEST,
            )
        case "Queued", _:
            found = said, f"It begins when its queue lets it: {kubectl} get workloads.", SOON
        case "Starting" | "Running", "Unschedulable" if "claim" in said.lower():
            found = f"its volume is not there: {said}", f"It begins by itself when it is: {kubectl} get pvc.", SOON
        case "Starting" | "Running", "Unschedulable":
            less = "else ask for less: resources.worker in --values, fewer processes."
            found = f"no node has room for it: {said}", f"It begins by itself when one has; {less}", SOON
        case "Starting", "Refused":
            found = f"the cluster refuses it for now: {said}", "It begins by itself when the cluster lets it.", SOON
        case "Running", "NodeLost":
            found = said, "If that node is off for good, taint it as docs/kubernetes.md says.", 0.0
        case "Starting", "PodsMissing":
            found = said, "It begins by itself when they are made.", 0.0
        case "Starting" | "Running", "NotStarted":
            found = said, "It goes on by itself when that is mended.", 0.0
        case "Starting", "Created":
            found = f"it has not begun for longer than a minute: {said}", why, UNHEARD
        case _:
            return None
    return found


def _said(message: str) -> str:
    """Return what matters of what a cluster says."""
    said = message.rpartition("ErrImagePull: ")[2]
    return (said if len(said) <= _SHOWN else f"...{said[-_SHOWN:]}").rstrip(".")
