# SPDX-License-Identifier: Apache-2.0
"""What the operator counts of itself, as Prometheus reads it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sized

    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.lease import Lease, Leases
    from d4py_operator.cluster.store import Store

CONTENT = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counters of looks at objects, and gauges that are read when they are asked for."""

    def __init__(self, api: Api, store: Store, queue: Sized, lease: Lease | Leases) -> None:
        self._api, self._store, self._queue, self._lease = api, store, queue, lease
        self._lock = threading.Lock()
        self._looks: Counter[tuple[str, str]] = Counter()
        self._within: Counter[float] = Counter()
        self._seconds = 0.0

    def looked(self, kind: str, result: str, seconds: float) -> None:
        """Count a look at an object."""
        with self._lock:
            self._looks[kind, result] += 1
            self._seconds += seconds
            for bucket in _BUCKETS:
                if seconds <= bucket:
                    self._within[bucket] += 1

    def text(self) -> str:
        """Return all of it."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        with self._lock:
            looks, within, seconds = dict(self._looks), dict(self._within), self._seconds
        yield from _head("d4py_operator_reconcile_total", "counter", "Looks at objects.")
        for (kind, result), number in sorted(looks.items()):
            yield f'd4py_operator_reconcile_total{{kind="{kind}",result="{result}"}} {number}'
        yield from _head("d4py_operator_reconcile_seconds", "histogram", "How long a look took.")
        total = sum(looks.values())
        for bucket in _BUCKETS:
            yield f'd4py_operator_reconcile_seconds_bucket{{le="{bucket}"}} {within.get(bucket, 0)}'
        yield f'd4py_operator_reconcile_seconds_bucket{{le="+Inf"}} {total}'
        yield f"d4py_operator_reconcile_seconds_sum {seconds:.6f}"
        yield f"d4py_operator_reconcile_seconds_count {total}"
        yield from _head("d4py_operator_queue_depth", "gauge", "Objects that wait to be looked at.")
        yield f"d4py_operator_queue_depth {len(self._queue)}"
        yield from _head("d4py_operator_leader", "gauge", "Whether this operator is the one that acts.")
        yield f"d4py_operator_leader {int(self._lease.fresh)}"
        yield from _head("d4py_operator_api_requests_total", "counter", "Requests to the cluster, by answer.")
        for (verb, answer), number in sorted(self._api.counts.copy().items()):
            yield f'd4py_operator_api_requests_total{{verb="{verb}",answer="{answer}"}} {number}'
        yield from _head("d4py_workflows", "gauge", "Workflows, by mapping and phase.")
        phases: Counter[tuple[str, str]] = Counter()
        for workflow in self._store.all("Workflow"):
            status = workflow.get("status") or {}
            phases[status.get("mapping", "unknown"), status.get("phase", "Pending")] += 1
        for (mapping, phase), number in sorted(phases.items()):
            yield f'd4py_workflows{{mapping="{mapping}",phase="{phase}"}} {number}'


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
