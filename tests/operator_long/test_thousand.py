# SPDX-License-Identifier: Apache-2.0
"""A thousand workflows on one operator, which has one core: how long it takes, what it costs, and what another operator makes of them."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.hands import Hands, eventually
from tests.operator.process import Process
from tests.operator_long.conftest import Start
from tests.operator_long.crowd import SIZE, Crowd
from tests.operator_long.usage import Meter, peak

TITLE = f"{SIZE:,} Workflows"
SECONDS, MEGABYTES, IDLE = 60.0, 120.0, 0.01
STILL = 30.0  # seconds over which it is looked what an idle one costs
TAKEOVER = 20.0
PATIENCE = 900.0  # of those who wait, where the machine does other work
ANSWERS = {"200", "201", "404", "409", "429"}  # the last where the server is busy
WRITES = ("POST", "PATCH", "DELETE")  # the lease is PUT
Tell = Callable[[str, str], None]


@pytest.fixture
def tell(life: str, record_property: Callable[[str, Any], None]) -> Tell:
    """Puts a figure into the table."""
    return lambda row, text: record_property("cell", json.dumps([TITLE, row, f"pods {life}", text]))


@pytest.fixture(scope="module")
def crowd(life: str, hands: Hands) -> Iterator[Crowd]:
    """The workflows."""
    found = Crowd(hands, hold=life == "run on")
    yield found
    found.end()


@pytest.fixture(scope="module")
def operator(start: Start) -> Process:
    """The first operator, at work before there is anything to do."""
    return leading(start())


def test_all_are_reconciled_within_a_minute(
    busy: Cluster, life: str, operator: Process, crowd: Crowd, tell: Tell
) -> None:
    alone, last = (True, "running") if life == "run on" else (False, "over")
    meter = Meter({**{name: process.pid for name, process in busy.processes.items()}, "operator": operator.process.pid})
    with busy.held_back("kube-controller-manager", "mpi-operator") if alone else nullcontext():
        crowd.make()
        reconciled = crowd.wait("reconciled", PATIENCE)
    until = meter.used()
    over = crowd.wait(last, PATIENCE)
    still(operator)
    used, requests = meter.used(), operator.requests

    tell("asked for", f"within {crowd.created:.1f} s")
    tell("reconciled", f"after {reconciled:.1f} s")
    tell("processors until then", shares(until))
    tell("all running, or succeeded", f"after {over:.1f} s")
    tell("processors until then and quiet", shares(used))
    tell("requests for each", ", ".join(f"{of(requests, verb) / SIZE:.2f} {verb}" for verb in ("POST", "PATCH", "GET")))
    tell("looks at each", f"{sum(operator.looks.values()) / SIZE:.1f}")
    conflicts = sum(number for (_, answer), number in requests.items() if answer == "409")
    tell("conflicts", str(conflicts))
    assert {answer for _, answer in requests} <= ANSWERS
    assert until["operator"] <= SECONDS
    if alone:
        assert reconciled <= SECONDS


def test_its_memory_is_bounded(operator: Process, crowd: Crowd, tell: Tell) -> None:
    held = peak(operator.process.pid)

    tell("memory at its peak", f"{held:.0f} MB")
    assert held <= MEGABYTES


def test_it_costs_nothing_while_nothing_happens(operator: Process, crowd: Crowd, tell: Tell) -> None:
    still(operator)
    before, meter = operator.requests, Meter({"operator": operator.process.pid})
    time.sleep(STILL)  # what it does in that time is what is measured
    share = meter.used()["operator"] / STILL

    asked = sum((operator.requests - before).values()) / STILL
    tell("idle", f"{share:.2%} of a core, {asked:.1f} requests a second")
    assert share <= IDLE


def test_one_that_starts_anew_writes_nothing(start: Start, operator: Process, crowd: Crowd, tell: Tell) -> None:
    operator.end(signal.SIGTERM)
    begun = time.monotonic()
    again = start()
    meter = Meter({"operator": again.process.pid})
    eventually(lambda: again.looks["Workflow", "ok"] >= SIZE, "all to be looked at", PATIENCE)
    seconds = time.monotonic() - begun
    still(again)

    requests, used, held = again.requests, meter.used()["operator"], peak(again.process.pid)
    again.end(signal.SIGTERM)

    tell("started anew", f"{seconds:.1f} s, {used:.1f} s of a core, {sum(requests.values())} requests, {held:.0f} MB")
    assert [verb for verb, _ in requests if verb in WRITES] == []
    assert held <= MEGABYTES


def test_another_acts_when_it_is_killed(start: Start, hands: Hands, crowd: Crowd, tell: Tell) -> None:
    one = leading(start())
    other = start()
    eventually(lambda: other.ready, "the other to be ready", 60)

    one.end()
    begun = time.monotonic()
    hands.workflow("another")
    eventually(lambda: hands.there("Job", "another-1"), "the other to act", 2 * TAKEOVER)
    seconds = time.monotonic() - begun
    other.end(signal.SIGTERM)

    tell("killed: another acts after", f"{seconds:.1f} s")
    assert seconds <= TAKEOVER


def leading(operator: Process) -> Process:
    """Wait until an operator works."""
    eventually(lambda: operator.ready and operator.leads, "it to lead", 60)
    return operator


def still(operator: Process) -> None:
    """Wait until an operator has looked at nothing for five seconds."""
    seen, since = operator.looks, time.monotonic()

    def quiet() -> bool:
        nonlocal seen, since
        time.sleep(0.5)
        looks = operator.looks
        if looks != seen:
            seen, since = looks, time.monotonic()
        return time.monotonic() - since > 5

    eventually(quiet, "it to have nothing to do", PATIENCE)


def of(requests: dict[tuple[str, str], int], verb: str) -> int:
    """Return how many were of a verb."""
    return sum(number for (name, _), number in requests.items() if name == verb)


def shares(used: dict[str, float]) -> str:
    """Return who used the processors, the operator first."""
    rest = sorted((seconds, name) for name, seconds in used.items() if name != "operator")
    told = [f"operator {used['operator']:.1f} s", *(f"{name} {seconds:.1f} s" for seconds, name in reversed(rest))]
    return ", ".join(told)
