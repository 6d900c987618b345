# SPDX-License-Identifier: Apache-2.0
"""Runs sent from the command line to a real cluster: their logs, their outputs, an end before time, and another beginning."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.conftest import SCIENCE, Call
from tests.cluster.images import OPERATOR
from tests.cluster.nodes import Nodes

WORKFLOW = """
import time
import d4py

@d4py.producer
def numbers(n: int = 50, pause: float = 0.0):
    for number in range(n):
        time.sleep(pause)
        yield number

class Square(d4py.IterativePE):
    def _process(self, x):
        if x == 1000:
            raise ValueError("a thousand")
        if x == 7:
            self.log("seven")
        return x * x

workflow = numbers() >> Square()
"""
VALUES = f"""
image: {OPERATOR}
imagePullPolicy: Never
outputs: {{volume: {{claimName: results, path: {{}}}}}}
checkpoint: {{volume: {{claimName: results, path: runs}}, intervalSeconds: 1}}
"""


@pytest.fixture
def sent(call: Call, claims: dict[str, Path], tmp_path: Path) -> Callable[..., str]:
    """Send the workflow; return the id of its run."""
    (tmp_path / "squares.py").write_text(WORKFLOW)

    def send(folder: str, *words: str) -> str:
        values = tmp_path / "values.yaml"
        values.write_text(VALUES.replace("{}", folder, 1))
        flags = ("--kubernetes", "--namespace", SCIENCE, "--values", str(values))
        told = call("submit", str(tmp_path / "squares.py"), *flags, *words)
        assert told.code == 0, told.err
        return told.out.strip()

    return send


def values_of(printed: str) -> list[int]:
    return [json.loads(line)["value"] for line in printed.splitlines()]


def test_logs_are_followed_and_outputs_come_back(sent: Callable[..., str], call: Call) -> None:
    run = sent("small", "--mapping", "multi", "-n", "2")

    followed = call("logs", "-f", run)
    assert "exit code 0: run" in followed.out
    assert call("logs", run, "Square").out.rstrip().endswith(" seven")
    assert call("wait", run).code == 0
    assert values_of(call("outputs", run, "-o", "json").out) == [number * number for number in range(50)]


def test_what_a_pe_raises_ends_the_run_with_its_name(sent: Callable[..., str], call: Call) -> None:
    run = sent("bad", "--set", "n=1001")

    waited = call("wait", run)

    assert waited.code == 3
    assert "PEFailed" in waited.err
    assert "a thousand" in call("logs", run).out


def test_a_run_is_suspended_at_a_checkpoint_and_goes_on_in_another_pod(
    sent: Callable[..., str], call: Call, cluster: Nodes
) -> None:
    run = sent("slow", "--set", "pause=0.2", "--set", "n=200")
    name = run.rpartition("/")[2]
    cluster.wait_for(
        lambda: cluster.get("d4wf", name, namespace=SCIENCE).get("status", {}).get("phase") == "Running", "it to run"
    )

    suspended = call("suspend", run, "--timeout", "100")
    assert "stopped. Continue:" in suspended.out, suspended.err
    assert call("resume", run).code == 0
    cluster.wait_for(lambda: call("status", run).out.count("attempt 2"), "a second attempt")

    assert call("wait", run).code == 0
    assert values_of(call("outputs", run, "-o", "json").out) == [number * number for number in range(200)]


def test_a_run_that_is_cancelled_leaves_no_pod_and_no_files_of_it(
    sent: Callable[..., str], call: Call, cluster: Nodes
) -> None:
    run = sent("long", "--set", "pause=1", "--set", "n=1000")
    name = run.rpartition("/")[2]
    selector = f"-l=d4py.dev/workflow={name}"
    cluster.wait_for(lambda: cluster.get("pods", selector, namespace=SCIENCE)["items"], "its pod")

    assert call("cancel", run).code == 0

    kinds = "pods,jobs,configmaps,services,secrets"
    until = time.monotonic() + 150
    while cluster.get(kinds, selector, namespace=SCIENCE)["items"]:
        assert time.monotonic() < until
        time.sleep(0.5)
    names = {each["metadata"]["name"] for each in cluster.get("configmaps", namespace=SCIENCE)["items"]}
    assert name not in names
