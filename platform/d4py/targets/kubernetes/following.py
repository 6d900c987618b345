# SPDX-License-Identifier: Apache-2.0
"""Reading the log of a pod to its end, though the connection is cut on the way: its lines bear the time at which they came."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from d4py.targets.kubernetes.client import ClusterError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.targets.kubernetes.client import Cluster

AWAY = 60.0  # seconds that a cluster may be away from who waits: an API server that starts anew takes less
_LOOK, _MARGIN = 1.0, 10  # seconds
_STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\S+) ?(.*)", re.DOTALL)


def followed(cluster: Cluster, pod: str, last: int | None) -> Iterator[str]:
    """Yield the lines that a pod prints, until it has ended. Raises Unreachable where the cluster stays away."""
    stamp, heard = "", time.monotonic()
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
                    elif found[1] > stamp:
                        stamp, heard = found[1], time.monotonic()
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
            if stamp:
                return  # its pod is gone, and with it its log
            raise
        time.sleep(_LOOK)
        if stamp:
            last, since = None, int(time.monotonic() - heard) + _MARGIN
