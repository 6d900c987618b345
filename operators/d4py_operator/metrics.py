# SPDX-License-Identifier: Apache-2.0
"""What the operator counts of itself and of the runs, as Prometheus reads it. docs/kubernetes.md lists it for people."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from d4py.resources.policies import MAPPINGS
from d4py.resources.status import PHASES
from d4py_operator.objects import Object, moment

if TYPE_CHECKING:
    from collections.abc import Sized

    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.lease import Lease, Leases
    from d4py_operator.cluster.store import Store

CONTENT = "text/plain; version=0.0.4; charset=utf-8"
_LOOK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_RUN = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800)  # ten seconds to a week
_ITEMS = {
    "read": "Items that PEs of these Workflows have read.",
    "written": "Items that PEs of these Workflows have written.",
    "quarantined": "Items of these Workflows that were set aside.",
}


class Histogram:
    """How many of what was seen took how long, by labels."""

    def __init__(self, name: str, about: str, buckets: Sequence[float], series: Iterable[str] = ("",)) -> None:
        """series: labels that are there from the beginning. Of what begins with its first, no rate shows that one."""
        self._name, self._about, self._buckets = name, about, buckets
        self._lock = threading.Lock()
        self._seen: dict[str, list[int]] = {}  # by labels: how many in each bucket and not in one before it
        self._seconds: dict[str, float] = {}
        for labels in series:
            self._begin(labels)

    def _begin(self, labels: str) -> None:
        self._seen[labels], self._seconds[labels] = [0] * (len(self._buckets) + 1), 0.0

    def add(self, seconds: float, labels: str = "") -> None:
        """Count one."""
        with self._lock:
            if labels not in self._seen:
                self._begin(labels)
            self._seen[labels][bisect_left(self._buckets, seconds)] += 1
            self._seconds[labels] += seconds

    def lines(self) -> Iterator[str]:
        """Yield what Prometheus reads."""
        with self._lock:
            found = [(labels, list(seen), self._seconds[labels]) for labels, seen in sorted(self._seen.items())]
        yield from _head(self._name, "histogram", self._about)
        for labels, seen, seconds in found:
            first, alone = f"{labels}," if labels else "", f"{{{labels}}}" if labels else ""
            for bucket, number in zip((*self._buckets, "+Inf"), accumulate(seen), strict=True):
                yield f'{self._name}_bucket{{{first}le="{bucket}"}} {number}'
            yield f"{self._name}_sum{alone} {seconds:.6f}"
            yield f"{self._name}_count{alone} {sum(seen)}"


class Metrics:
    """Counters of looks at objects and of runs that ended, and gauges that are read when they are asked for."""

    def __init__(self, api: Api, store: Store, queue: Sized, lease: Lease | Leases) -> None:
        self._api, self._store, self._queue, self._lease = api, store, queue, lease
        self._lock = threading.Lock()
        self._looks: Counter[tuple[str, str]] = Counter()
        self._look = Histogram("d4py_operator_reconcile_seconds", "How long a look took.", _LOOK)
        self._run = Histogram(
            "d4py_workflow_seconds",
            "How long Workflows took that this operator has brought to their end, from start to completion.",
            _RUN,
            [_labels(mapping, phase) for mapping in MAPPINGS for phase in ("Succeeded", "Failed")],
        )

    def looked(self, kind: str, result: str, seconds: float) -> None:
        """Count a look at an object."""
        with self._lock:
            self._looks[kind, result] += 1
        self._look.add(seconds)

    def finished(self, status: Object) -> None:
        """Count a run of which this status says that it is over. One that never started took no time."""
        begun, ended = moment(status.get("startTime")), moment(status.get("completionTime"))
        seconds = (ended - begun).total_seconds() if ended and begun else 0.0
        self._run.add(max(0.0, seconds), _labels(*_of(status)))

    def text(self) -> str:
        """Return all of it."""
        return "".join(f"{line}\n" for line in (*self._of_itself(), *self._run.lines(), *self._known()))

    def _of_itself(self) -> Iterator[str]:
        with self._lock:
            looks = dict(self._looks)
        yield from _head("d4py_operator_reconcile_total", "counter", "Looks at objects.")
        for (kind, result), number in sorted(looks.items()):
            yield f'd4py_operator_reconcile_total{{kind="{kind}",result="{result}"}} {number}'
        yield from self._look.lines()
        yield from _head("d4py_operator_queue_depth", "gauge", "Objects that wait to be looked at.")
        yield f"d4py_operator_queue_depth {len(self._queue)}"
        yield from _head("d4py_operator_leader", "gauge", "Whether this operator is the one that acts.")
        yield f"d4py_operator_leader {int(self._lease.fresh)}"
        yield from _head("d4py_operator_api_requests_total", "counter", "Requests to the cluster, by answer.")
        for (verb, answer), number in sorted(self._api.counts.copy().items()):
            yield f'd4py_operator_api_requests_total{{verb="{verb}",answer="{answer}"}} {number}'

    def _known(self) -> Iterator[str]:
        """Yield what there is of the Workflows that are known: those that are deleted count no more."""
        phases: Counter[tuple[str, str]] = Counter()
        items: dict[str, Counter[str]] = {name: Counter() for name in _ITEMS}
        for workflow in self._store.all("Workflow"):
            status = workflow.get("status") or {}
            mapping, phase = _of(status)
            phases[mapping, phase] += 1
            for name, sums in items.items():
                sums[mapping] += (status.get("items") or {}).get(name, 0)
        yield from _head("d4py_workflows", "gauge", "Workflows, by mapping and phase.")
        for (mapping, phase), number in sorted(phases.items()):
            yield f"d4py_workflows{{{_labels(mapping, phase)}}} {number}"
        for name, about in _ITEMS.items():
            yield from _head(f"d4py_workflow_items_{name}", "gauge", about)
            for mapping, number in sorted(items[name].items()):
                yield f'd4py_workflow_items_{name}{{mapping="{mapping}"}} {number}'


def _of(status: Object) -> tuple[str, str]:
    """Return mapping and phase, of which there are so many and no more, whatever somebody writes into a status."""
    mapping, phase = status.get("mapping"), status.get("phase", "Pending")
    return mapping if mapping in MAPPINGS else "unknown", phase if phase in PHASES else "unknown"


def _labels(mapping: str, phase: str) -> str:
    return f'mapping="{mapping}",phase="{phase}"'


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
