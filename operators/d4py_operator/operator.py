# SPDX-License-Identifier: Apache-2.0
"""The operator at work: watches, a queue, and threads that look at what is in it, as long as it holds the lease."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ClusterError
from d4py_operator.cluster.informer import Informer
from d4py_operator.cluster.lease import Lease, Leases
from d4py_operator.cluster.others import Others
from d4py_operator.cluster.progress import Asker
from d4py_operator.cluster.store import Store
from d4py_operator.metrics import Metrics
from d4py_operator.objects import CRON, MANAGED_BY, MANAGER, WORKFLOW, Key, Object, key_of, labels_of
from d4py_operator.observed import leading_address
from d4py_operator.queue import Queue
from d4py_operator.reconcile import Reconciler, Stale
from d4py_operator.setbacks import now_and_then

log = logging.getLogger(__name__)
OURS = ("Workflow", "WorkflowTemplate", "CronWorkflow")
CHILDREN = ("Job", "Pod")
OPTIONAL = "MPIJob"
_RESYNC = 600.0  # seconds after which everything is looked at, whatever happened
_DISCOVER = 60.0
_LATE = 5.0  # seconds after which a lease that is late is looked for again
_PATIENCE = 20.0  # seconds that looks in progress get at the end


class Operator:
    """One operator process."""

    def __init__(self, api: Api, lease: Lease | Leases, *, namespaces: Sequence[str] = (), threads: int = 4) -> None:
        self._api, self.lease = api, lease
        self._namespaces = list(namespaces) or [""]
        self.store, self.queue = Store(), Queue()
        self.metrics = Metrics(api, self.store, self.queue, lease)
        self.ending = threading.Event()
        self.acting = threading.Event()  # it holds the lease, knows what there is, and looks at it
        self._informers: list[Informer] = []
        self._holder = threading.Thread(target=lambda: lease.keep(self.ending), name="lease")
        self._workers = [threading.Thread(target=self._work, name=f"work-{number}") for number in range(threads)]
        self._asker = Asker(self._going, self.queue.add)
        self._others: Others | None = None  # that work in namespaces of all those that this one works in
        self._reconciler = Reconciler(
            api,
            self.store,
            self.served,
            self._asker.said,
            failures=self.queue.failures,
            finished=self.metrics.finished,
        )
        self.store.listeners.append(self._heard)

    # --- what is looked at

    def _heard(self, thing: Object) -> None:
        """Have looked at what a change is about."""
        kind, namespace = thing["kind"], thing["metadata"].get("namespace", "")
        if kind in ("Workflow", "CronWorkflow"):
            self.queue.add(key_of(thing))
        elif kind == "WorkflowTemplate":
            for workflow in self.store.all("Workflow"):
                reference = (workflow.get("spec") or {}).get("templateRef") or {}
                if (workflow["metadata"]["namespace"], reference.get("name")) == (namespace, thing["metadata"]["name"]):
                    self.queue.add(key_of(workflow))
        if name := labels_of(thing).get(WORKFLOW):
            self.queue.add(Key("Workflow", namespace, name))
        if name := labels_of(thing).get(CRON):
            self.queue.add(Key("CronWorkflow", namespace, name))

    def _watch(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            labels = "" if kind in OURS else f"{MANAGED_BY}={MANAGER}"
            for namespace in self._namespaces:
                informer = Informer(self._api, self.store, kind, namespace, labels=labels)
                self._informers.append(informer)
                informer.start()

    def _discover(self) -> None:
        if any(informer.kind == OPTIONAL for informer in self._informers):
            return
        try:
            if self._api.serves(OPTIONAL):
                self._watch([OPTIONAL])
        except ClusterError as error:
            log.warning("discovery: %s", error)

    def served(self) -> frozenset[str]:
        """Return which kinds that a cluster may lack it has, and are known here."""
        found = [informer for informer in self._informers if informer.kind == OPTIONAL]
        return frozenset({OPTIONAL} if found and all(informer.served for informer in found) else ())

    def _going(self) -> Iterator[tuple[Key, str]]:
        """Yield the workflows that run, each with the address of the pod that leads it."""
        for workflow in self.store.all("Workflow"):
            if (workflow.get("status") or {}).get("phase") == "Running":
                key = key_of(workflow)
                address = leading_address(self.store.of(key.namespace, key.name))
                if address:
                    yield key, address

    # --- work

    def _work(self) -> None:
        while (key := self.queue.take()) is not None:
            assert isinstance(key, Key)
            begun = time.monotonic()
            result = self._look(key)
            self.queue.done(key)
            self.metrics.looked(key.kind, result, time.monotonic() - begun)

    def _look(self, key: Key) -> str:
        lease = self.lease.of(key.namespace)
        if not lease.held.is_set() or (self._others is not None and key.namespace in self._others.known):
            self.queue.settle(key)
            return "left"
        while not lease.fresh:  # the key waits with its thread: a thousand keys would go round and round
            if self.lease.fresh:  # that of another namespace
                self.queue.add_after(key, _LATE)
                return "waiting"
            if self.ending.wait(0.2):
                return "waiting"
        try:
            again = self._reconciler.reconcile(key)
        except Stale:
            self.queue.failed(key)
            return "stale"
        except ClusterError as error:
            wait = self.queue.failed(key, error.wait)
            level = logging.WARNING if now_and_then(self.queue.failures(key)) else logging.DEBUG
            log.log(level, "%s %s/%s: %s; again in %.1f s", key.kind, key.namespace, key.name, error, wait)
            return "error"
        except Exception:
            self.queue.failed(key)
            log.exception("%s %s/%s: a defect of the operator", key.kind, key.namespace, key.name)
            return "defect"
        self.queue.settle(key, again)
        return "ok"

    # --- life

    def run(self) -> int:
        """Work until `ending` is set, or the lease is lost; return an exit code."""
        self._discover()
        self._watch([*OURS, *CHILDREN])
        self._holder.start()
        try:
            if self._wait_until_ready():
                self._lead()
        finally:
            self.ending.set()
            self.queue.close()
            self._asker.ending.set()
            if self._others is not None:
                self._others.ending.set()
            until = time.monotonic() + _PATIENCE
            for worker in self._workers:
                if worker.is_alive():
                    worker.join(max(0.0, until - time.monotonic()))
            self._holder.join()
            for informer in self._informers:
                informer.end()
            self.lease.release()
        return int(self.lease.lost.is_set())

    def _wait_until_ready(self) -> bool:
        """Wait for the lease and for all that there is; return whether both came."""
        while not self.ending.is_set() and not self.lease.lost.is_set():
            if self.lease.held.is_set() and self.synced():
                return True
            self.ending.wait(0.1)
        return False

    def _lead(self) -> None:
        if self._namespaces == [""]:
            self._others = Others(self._api, self.lease.name, self.lease.namespaces, self._left_or_taken)
            self._others.turn()
            self._others.start()
        resync = discover = time.monotonic()
        served, acting = self.served(), self.lease.acting
        self.look_at_all()
        for worker in self._workers:
            worker.start()
        self._asker.start()
        self.acting.set()
        log.info("works on %s", ", ".join(filter(None, self._namespaces)) or "all namespaces")
        while not self.ending.wait(0.2) and not self.lease.lost.is_set():
            now = time.monotonic()
            if now - discover > _DISCOVER:
                discover = now
                self._discover()
            if now - resync > _RESYNC or self.served() != served or self.lease.acting != acting:
                resync, served, acting = now, self.served(), self.lease.acting
                self.look_at_all()

    def look_at_all(self, where: Callable[[str], bool] = lambda _: True) -> None:
        """Have everything looked at. where: in which namespaces."""
        for kind in ("Workflow", "CronWorkflow"):
            for thing in self.store.all(kind):
                if where(thing["metadata"]["namespace"]):
                    self.queue.add(key_of(thing))

    def _left_or_taken(self, namespaces: set[str]) -> None:
        self.look_at_all(namespaces.__contains__)

    def synced(self) -> bool:
        """Whether all that there is has been listed."""
        return bool(self._informers) and not self._unlisted()

    def _unlisted(self) -> list[str]:
        """Return who has not listed yet. Of a kind that a cluster may lack, and does, there is nothing to list."""
        waiting = [informer for informer in self._informers if not informer.synced.is_set()]
        return [each.name for each in waiting if each.kind != OPTIONAL or each.served is not False]

    # --- health

    def unwell(self) -> str:
        """Return what another start of this process would mend; nothing where it lives. That the cluster does not answer is no such thing."""
        more = [self._others] if self._others is not None else []
        threads = [self._holder, *self._workers, self._asker, *self._informers, *more]
        dead = [thread.name for thread in threads if thread.ident is not None and not thread.is_alive()]
        return f"{dead[0]} has ended" if dead and not self.ending.is_set() else ""

    def unready(self) -> str:
        """Return why it is not ready; nothing where it is, be it as the one that waits."""
        waiting = self._unlisted()
        return f"{waiting[0]} has not listed yet" if waiting or not self._informers else ""
