# SPDX-License-Identifier: Apache-2.0
"""Several operators, each a process of its own: one acts, and another does when it is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.conftest import somebody
from tests.operator.hands import Hands, eventually
from tests.operator.process import Process
from tests.ports import free_ports

from d4py_operator.cluster.api import Api

SECONDS = 5  # that a lease lasts here
TAKEOVER = 20


Start = Callable[..., Process]


@pytest.fixture
def start(defined: Cluster, hands: Hands, tmp_path: Path) -> Iterator[Start]:
    """Starts operators, and ends what is left of them."""
    started: list[Process] = []

    def begin(*words: str) -> Process:
        started.append(Process(defined, hands.namespace, tmp_path / f"{len(started)}.log", *words, seconds=SECONDS))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.end()


def test_one_acts_and_another_does_when_it_dies(hands: Hands, start: Start) -> None:
    one, other = start(), start()
    eventually(lambda: one.ready and other.ready, "both to be ready", 60)
    eventually(lambda: one.leads or other.leads, "one to lead")
    assert not (one.leads and other.leads)
    leader, waiting = (one, other) if one.leads else (other, one)
    hands.workflow("first")
    hands.await_phase("first", "Starting")
    hands.runs("first-1")
    hands.await_phase("first", "Running")

    leader.end()
    begun = time.monotonic()
    hands.workflow("second")
    eventually(lambda: hands.there("Job", "second-1"), "the other to act", TAKEOVER)

    assert time.monotonic() - begun < TAKEOVER
    assert waiting.leads
    hands.ends("first-1")
    assert hands.await_phase("first", "Succeeded")["attempts"] == 1


def test_one_that_is_told_to_end_lets_the_other_have_it_at_once(hands: Hands, start: Start) -> None:
    one = start()
    eventually(lambda: one.ready and one.leads, "it to lead", 60)
    other = start()
    eventually(lambda: other.ready, "the other to be ready", 60)

    assert one.end(signal.SIGTERM) == 0

    lease = hands.get("Lease", "d4py-operator")
    assert lease["spec"]["holderIdentity"] == "" or other.leads
    eventually(lambda: other.leads, "the other to lead", 2 * SECONDS)


def test_an_operator_of_namespaces_has_a_lease_in_each(hands: Hands, start: Start, api: Api) -> None:
    with somebody(api) as more:
        operator = start(f"--namespace={more.namespace}")

        def holders() -> set[str]:
            leases = [each.there("Lease", "d4py-operator") for each in (hands, more)]
            return {lease["spec"]["holderIdentity"] if lease else "" for lease in leases}

        eventually(lambda: len(holders()) == 1 and holders() != {""}, "one to hold both", 60)
        assert operator.leads
        assert operator.end(signal.SIGTERM) == 0


def test_health_and_metrics_are_served(hands: Hands, start: Start) -> None:
    operator = start()
    eventually(lambda: operator.ready and operator.leads, "it to lead", 60)
    hands.workflow("counted")
    hands.await_phase("counted", "Starting")
    hands.workflow("done")
    hands.runs("done-1")
    hands.ends("done-1", said={"read": 3, "written": 4})
    hands.await_phase("done", "Succeeded")

    assert operator.get(operator.health, "/healthz") == (200, "ok\n")
    assert operator.get(operator.health, "/nothing")[0] == 404
    # It counts what it has written, and hears of what it has made, a moment after others can see it.
    numbers = (
        'd4py_workflows{mapping="simple",phase="Starting"}',
        'd4py_workflow_seconds_count{mapping="simple",phase="Succeeded"} 1\n',
        'd4py_workflow_items_written{mapping="simple"} 4\n',
    )

    def page() -> tuple[int, str]:
        return operator.get(operator.metrics, "/metrics")

    eventually(lambda: all(number in page()[1] for number in numbers), "both to be counted")
    status, text = page()

    assert status == 200
    for name in (
        "d4py_operator_reconcile_total",
        "d4py_operator_queue_depth",
        "d4py_operator_leader",
        "d4py_workflows",
        "d4py_workflow_seconds",
        "d4py_workflow_items_quarantined",
    ):
        assert f"# TYPE {name} " in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kubeconfig=/nowhere"], "No cluster can be found by /nowhere"),
        (["--lease-seconds=0"], "not a number of seconds from 1 to 3600"),
        (["--metrics-port=99999"], "not a port"),
        (["--namespaces=x"], "unrecognized arguments"),
        (["--namespace=x", "--lease-namespace=y"], "leave one of them out"),
    ],
)
def test_bad_arguments_are_told_in_one_line(words: list[str], said: str) -> None:
    ran = subprocess.run([sys.executable, "-m", "d4py_operator.main", *words], capture_output=True, text=True)

    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert said in ran.stderr


def test_a_cluster_that_does_not_answer_is_told_in_one_line(tmp_path: Path, defined: Cluster) -> None:
    config = tmp_path / "config"
    (port,) = free_ports(1)
    defined.write_kubeconfig(config, "token", server=f"https://127.0.0.1:{port}")

    ran = subprocess.run(
        [sys.executable, "-m", "d4py_operator.main", f"--kubeconfig={config}"], capture_output=True, text=True
    )

    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert "does not answer" in ran.stderr
