# SPDX-License-Identifier: Apache-2.0
"""Several operators, each a process of its own: one acts, and another does when it is gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kubernetes.cluster import Cluster, free_ports
from tests.operator.hands import Hands, eventually

SECONDS = 5  # that a lease lasts here
TAKEOVER = 20


class Process:
    """An operator, started as people start it."""

    def __init__(self, cluster: Cluster, namespace: str, log: Path, *words: str) -> None:
        self.metrics, self.health = free_ports(2)
        self.log = log
        command = [
            sys.executable,
            "-m",
            "d4py_operator.main",
            f"--kubeconfig={cluster.kubeconfig}",
            f"--namespace={namespace}",
        ]
        ports = [f"--metrics-port={self.metrics}", f"--health-port={self.health}"]
        lease = [f"--lease-namespace={namespace}", f"--lease-seconds={SECONDS}"]
        with open(log, "ab") as out:
            self.process = subprocess.Popen([*command, *ports, *lease, *words], stdout=out, stderr=out)

    def get(self, port: int, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.get(self.health, "/readyz")[0] == 200

    @property
    def leads(self) -> bool:
        return "d4py_operator_leader 1\n" in self.get(self.metrics, "/metrics")[1]

    def end(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


Start = Callable[..., Process]


@pytest.fixture
def start(defined: Cluster, hands: Hands, tmp_path: Path) -> Iterator[Start]:
    """Starts operators, and ends what is left of them."""
    started: list[Process] = []

    def begin(*words: str) -> Process:
        started.append(Process(defined, hands.namespace, tmp_path / f"{len(started)}.log", *words))
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


def test_health_and_metrics_are_served(hands: Hands, start: Start) -> None:
    operator = start()
    eventually(lambda: operator.ready and operator.leads, "it to lead", 60)
    hands.workflow("counted")
    hands.await_phase("counted", "Starting")

    assert operator.get(operator.health, "/healthz") == (200, "ok\n")
    assert operator.get(operator.health, "/nothing")[0] == 404
    status, text = operator.get(operator.metrics, "/metrics")

    assert status == 200
    for name in (
        "d4py_operator_reconcile_total",
        "d4py_operator_queue_depth",
        "d4py_operator_leader",
        "d4py_workflows",
    ):
        assert f"# TYPE {name} " in text
    assert 'd4py_workflows{mapping="simple",phase="Starting"}' in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kubeconfig=/nowhere"], "No cluster can be found by /nowhere"),
        (["--lease-seconds=0"], "not a number of seconds from 1 to 3600"),
        (["--metrics-port=99999"], "not a port"),
        (["--namespaces=x"], "unrecognized arguments"),
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
