# SPDX-License-Identifier: Apache-2.0
"""Reading the log of a pod to its end, though the connection is cut on the way: its lines bear the time at which they came."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from datetime import datetime
from typing import TYPE_CHECKING

from d4py.targets.kubernetes.client import ClusterError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.targets.kubernetes.client import Cluster

AWAY = 60.0  # seconds that a cluster may be away from who waits: an API server that starts anew takes less
_LOOK, _MARGIN = 1.0, 10  # seconds
_NEWEST = 1_000  # lines that are known one by one
_STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*(?:Z|[+-]\d\d:\d\d)) ?(.*)", re.DOTALL)
_PARTS = re.compile(r"^(.{19}).*(Z|.{6})$")


class _Read:
    """The lines of a log that were read.

    Times alone do not tell them from new ones: a runtime stamps what goes to stdout and to stderr apart, or at once all that it finds.
    """

    def __init__(self) -> None:
        self._newest: deque[tuple[str, int]] = deque()  # the time of each, and which it is
        self._older = ""  # the last time of those before
        self._again: Counter[tuple[str, int]] | None = None  # what may come once more, before what is new

    def cut(self) -> None:
        """Expect the newest to come once more, and perhaps some of those before."""
        self._again = Counter(self._newest)

    @property
    def age(self) -> float:
        """How many seconds ago the last one was written."""
        written, zone = _PARTS.findall(self._newest[-1][0])[0]
        return time.time() - datetime.fromisoformat(written + zone.replace("Z", "+00:00")).timestamp()

    def has(self, stamp: str, text: str) -> bool:
        """Whether a line is one of them; it is from now on."""
        line = stamp, hash(text)
        if self._again is not None:
            if self._again[line]:
                self._again[line] -= 1
                return True
            if stamp <= self._older:
                return True
            self._again = None
        if len(self._newest) == _NEWEST:
            self._older = max(self._older, self._newest.popleft()[0])
        self._newest.append(line)
        return False


def followed(cluster: Cluster, pod: str, last: int | None) -> Iterator[str]:
    """Yield the lines that a pod prints, until it has ended. Raises Unreachable where the cluster stays away."""
    read = _Read()
    heard: float | None = None  # when there was a new line
    lost: float | None = None
    since: int | None = None
    while True:
        cut = False
        try:
            try:
                for line in cluster.log(pod, follow=True, last=last, since=since):
                    found = _STAMPED.fullmatch(line)
                    if found is None:  # a kubelet's own words
                        yield line
                    elif not read.has(found[1], found[2]):
                        heard = time.monotonic()
                        yield found[2]
            except (
                Unreachable
            ):  # or so long silent that it may be: of a connection that something between has dropped nobody tells
                cut = True
            if cluster.pod(pod)["status"].get("phase") != "Running" and not cut:
                return
            lost = None
        except Unreachable:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > AWAY:
                raise
        except ClusterError:
            if heard is not None:
                return  # its pod is gone, and with it its log
            raise
        time.sleep(_LOOK)
        read.cut()
        if heard is not None:
            # A log that was not read as it was written is behind; of a clock that is, only what is known comes again.
            last, since = None, int(max(time.monotonic() - heard, read.age)) + _MARGIN
