# SPDX-License-Identifier: Apache-2.0
"""The lease on a real API server, by clocks that tests turn."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Any

import pytest
from tests.operator.hands import Hands

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ClusterError
from d4py_operator.cluster.lease import Lease


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(api: Api, hands: Hands, clock: Clock) -> tuple[Lease, Lease]:
    """Two that want the same lease, which nobody has."""
    if hands.there("Lease", "d4py-operator"):
        hands.delete("Lease", "d4py-operator")
    one, other = (Lease(api, hands.namespace, name, clock=clock) for name in ("one", "other"))
    return one, other


def held(*leases: Lease) -> list[bool]:
    return [lease.fresh for lease in leases]


def test_one_of_two_has_it(two: tuple[Lease, Lease], clock: Clock) -> None:
    one, other = two
    one._turn()
    for _ in range(10):
        clock.now += 3
        one._turn()
        other._turn()

    assert held(one, other) == [True, False]


def test_the_other_has_it_when_it_is_not_renewed(two: tuple[Lease, Lease], clock: Clock, hands: Hands) -> None:
    one, other = two
    one._turn()
    other._turn()
    clock.now += 14
    other._turn()
    assert held(one, other) == [False, False]  # whoever is late does nothing any more, before another does

    clock.now += 2
    other._turn()
    one._turn()

    assert held(one, other) == [False, True]
    assert one.lost.is_set()
    assert hands.get("Lease", "d4py-operator")["spec"]["leaseTransitions"] == 2


def test_who_waits_looks_as_soon_as_it_runs_out(two: tuple[Lease, Lease], clock: Clock) -> None:
    one, other = two
    one._turn()
    clock.now += 2.9
    other._turn()
    assert (one.pause, other.pause) == (3, 3)

    clock.now += 13
    other._turn()
    assert other.pause == pytest.approx(2.1)
    clock.now += other.pause
    other._turn()

    assert other.fresh


def test_who_was_late_goes_on_where_nobody_has_taken_it(two: tuple[Lease, Lease], clock: Clock) -> None:
    one, _ = two
    one._turn()
    clock.now += 60
    assert not one.fresh

    one._turn()

    assert one.fresh
    assert not one.lost.is_set()


def test_a_lease_that_is_let_go_is_taken_at_once(two: tuple[Lease, Lease]) -> None:
    one, other = two
    one._turn()
    other._turn()

    one.release()
    other._turn()

    assert other.fresh


def test_a_cluster_that_does_not_answer_costs_the_lease_no_more_than_time(
    two: tuple[Lease, Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    ending = threading.Event()
    calls: list[datetime] = []

    def silent(*_: Any, **__: Any) -> Any:
        calls.append(datetime.now(timezone.utc))
        ending.set()
        raise ClusterError("no answer")

    monkeypatch.setattr(one._api, "request", silent)
    one.keep(ending)

    assert len(calls) == 1
    assert not one.lost.is_set()
