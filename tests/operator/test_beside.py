# SPDX-License-Identifier: Apache-2.0
"""Operators beside each other on a real control plane: of those that want the same namespaces one acts, and a namespace's own goes before the one for all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
import yaml
from tests.kubernetes.cluster import ROOT, Cluster
from tests.operator.conftest import somebody
from tests.operator.hands import HASTY, Hands, await_gone, eventually

from d4py_operator.cluster.api import Api, configuration
from d4py_operator.cluster.errors import ApiError
from d4py_operator.cluster.lease import NAME, Lease, Leases
from d4py_operator.cluster.others import Others
from d4py_operator.objects import Key
from d4py_operator.operator import Operator

SECONDS = 15.0  # that a lease lasts: nobody is to be late by accident
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


class Noting(Api):
    """Notes in which namespaces it writes."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.wrote: Counter[str] = Counter()

    def request(self, method: str, path: str, **more: Any) -> Any:
        """Call, and note it."""
        if method != "GET" and "/leases" not in path:
            self.wrote[path.partition("/namespaces/")[2].partition("/")[0]] += 1
        return super().request(method, path, **more)


@contextmanager
def begun(cluster: Cluster, name: str, *namespaces: str, seconds: float = SECONDS) -> Iterator[tuple[Operator, Noting]]:
    """Have an operator at work as `d4py-operator` begins it: everywhere, where no namespace is named."""
    api = Noting(configuration(str(cluster.kubeconfig)))
    leases = Leases([Lease(api, place, name, name=NAME, seconds=seconds) for place in namespaces or ["kube-system"]])
    operator = Operator(api, leases, namespaces=namespaces, threads=2)
    thread = threading.Thread(target=operator.run, name=name)
    thread.start()
    try:
        yield operator, api
    finally:
        operator.ending.set()
        thread.join()
        api.close()


def taken_in(operator: Operator) -> set[str]:
    """Return the namespaces in which an operator looks at something at the moment."""
    return {key.namespace for key in [*operator.queue._taken] if isinstance(key, Key)}


@pytest.fixture(scope="module")
def two(api: Api) -> Iterator[list[Hands]]:
    """Somebody in two namespaces, in the order of their names."""
    with ExitStack() as stack:
        found = [stack.enter_context(somebody(api)) for _ in range(2)]
        yield sorted(found, key=lambda hands: hands.namespace)


def test_of_two_that_work_everywhere_one_acts(defined: Cluster, two: list[Hands]) -> None:
    one, other = two
    with begun(defined, "a") as (first, _):
        assert first.acting.wait(60)
        with begun(defined, "b") as (second, wrote):
            eventually(second.synced, "the second to know all")
            one.workflow("shared")
            one.ends("shared-1")
            one.await_phase("shared", "Succeeded")
            assert not second.acting.is_set()
            assert wrote.wrote == Counter()
            first.ending.set()
            assert second.acting.wait(3 * SECONDS)
            other.workflow("later")
            other.await_phase("later", "Starting")


def test_a_namespaces_own_goes_before_the_one_for_all(defined: Cluster, two: list[Hands]) -> None:
    one, other = two
    with begun(defined, "everywhere") as (everywhere, all_wrote):
        assert everywhere.acting.wait(60)
        with begun(defined, "own", other.namespace) as (own, own_wrote):
            assert own.acting.wait(60)
            assert everywhere._others is not None
            eventually(lambda: other.namespace in everywhere._others.known, "it to be left alone")  # type: ignore[union-attr]
            eventually(lambda: other.namespace not in taken_in(everywhere), "looks to end that began before")
            before = all_wrote.wrote[other.namespace]
            for hands in two:
                hands.workflow("who")
                hands.ends("who-1")
                hands.await_phase("who", "Succeeded")
            assert all_wrote.wrote[other.namespace] == before
            assert all_wrote.wrote[one.namespace] > 0
            assert list(own_wrote.wrote) == [other.namespace]

        eventually(lambda: not everywhere._others.known, "it to be taken back")  # type: ignore[union-attr]
        other.workflow("taken-back")
        other.await_phase("taken-back", "Starting")


def test_who_wants_a_namespace_that_another_has_acts_in_the_others(defined: Cluster, two: list[Hands]) -> None:
    one, other = two
    with begun(defined, "a", other.namespace) as (owner, _):
        assert owner.acting.wait(60)
        with begun(defined, "b", other.namespace, one.namespace) as (wants, wrote):
            assert wants.acting.wait(60)
            for hands in two:
                hands.workflow("whose")
                hands.ends("whose-1")
                hands.await_phase("whose", "Succeeded")
            assert list(wrote.wrote) == [one.namespace]

            owner.ending.set()
            eventually(lambda: wants.lease.acting == {one.namespace, other.namespace}, "it to have both")
            other.workflow("its")
            other.await_phase("its", "Starting")


def test_a_namespace_that_is_deleted_with_its_lease_holds_up_no_other(
    defined: Cluster, api: Api, two: list[Hands], caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = two
    with somebody(api) as doomed, begun(defined, "a", one.namespace, doomed.namespace, seconds=5) as (operator, _):
        eventually(lambda: operator.lease.acting == {one.namespace, doomed.namespace}, "it to have both")
        for number in range(5):
            doomed.workflow(f"run-{number}", **HASTY)
            doomed.await_phase(f"run-{number}", "Starting")
        api.request("DELETE", f"/api/v1/namespaces/{doomed.namespace}")
        await_gone(api, doomed.namespace, 60)
        eventually(lambda: not operator.lease.of(doomed.namespace).fresh, "its lease to be late")
        for number in range(5):
            operator.queue.add(doomed.key("Workflow", f"run-{number}"))

        one.workflow("goes-on")
        one.ends("goes-on-1")
        one.await_phase("goes-on", "Succeeded")

        assert [record.getMessage() for record in caplog.records if "defect" in record.getMessage()] == []
        assert len(caplog.records) < 8


def taken(lease: Lease) -> bool:
    """Try to take it; say whether it is held."""
    lease._turn()
    return lease.held.is_set()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_that_is_not_renewed_leaves_its_namespace_to_the_one_for_all(api: Api, two: list[Hands]) -> None:
    one, other = two
    clock, changes = Clock(), list[set[str]]()
    others = Others(api, NAME, [one.namespace], changes.append, clock=clock)
    for hands in two:
        lease = Lease(api, hands.namespace, "dead", seconds=15)
        eventually(partial(taken, lease), "it to be taken", 60)
    others.look()
    assert others.known == {other.namespace}

    clock.now = 14.0
    others.look()
    assert others.known == {other.namespace}
    clock.now = 16.0
    others.look()

    assert others.known == frozenset()
    assert changes == [{other.namespace}, {other.namespace}]


class Dying(Lease):
    """One whose keeper dies."""

    def keep(self, ending: threading.Event) -> None:
        """Die."""


def test_a_keeper_that_has_died_ends_the_others_too(api: Api, two: list[Hands]) -> None:
    leases = Leases([Dying(api, two[0].namespace, "me", name="dying")])

    with pytest.raises(RuntimeError, match="renews a lease has ended"):
        leases.keep(threading.Event())


def test_the_rights_of_the_one_for_all_are_enough_for_it_and_reach_no_other_lease(
    defined: Cluster, two: list[Hands]
) -> None:
    one, other = two
    words = ("template", "d4py", str(ROOT / "helm" / "d4py"), "--kube-version=1.34.4", f"--namespace={one.namespace}")
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    things = [
        each for each in yaml.safe_load_all(defined.call("helm", *words).stdout) if each and each["kind"] in kinds
    ]
    things = [each for each in things if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
    for each in things:
        defined.apply(each, namespace=each["metadata"].get("namespace", "default"))
    api = Api(configuration(str(defined.kubeconfig_of("d4py", namespace=one.namespace))))

    others = Others(api, NAME, [one.namespace], lambda _: None)
    others.look()
    lease = Lease(api, "kube-system", "it", seconds=1)
    eventually(partial(taken, lease), "it to have the lease")

    assert other.namespace in others._seen
    for path in ("/apis/coordination.k8s.io/v1/leases", f"{LEASES}/another", f"{LEASES}/kube-controller-manager"):
        with pytest.raises(ApiError) as refused:
            api.request("GET", path)
        assert refused.value.status == 403
    lease.release()
    api.close()
    kept = [
        each
        for each in things
        if each["kind"].startswith("Cluster") or each["metadata"].get("namespace") == "kube-system"
    ]
    for each in kept:
        defined.kubectl(
            "delete",
            each["kind"],
            each["metadata"]["name"],
            f"--namespace={each['metadata'].get('namespace', 'default')}",
        )
