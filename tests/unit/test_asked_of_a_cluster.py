# SPDX-License-Identifier: Apache-2.0
"""What people are told who ask something of a run on a cluster that ends meanwhile by itself, or who do not wait for it. No cluster is asked."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from d4py.cli import kubernetes, order
from d4py.cli.parser import Namespace
from d4py.errors import StateError
from d4py.targets.kubernetes.run import Run

RUN = "kubernetes://lab/a"
READY = {"type": "CheckpointReady", "status": "True"}


class Played:
    """A cluster with one workflow, of which each look at it tells the next status; the last stays."""

    namespace = "lab"

    def __init__(self, *statuses: dict[str, Any]) -> None:
        self.spec: dict[str, Any] = {}
        self.statuses = list(statuses)

    def get(self, name: str) -> dict[str, Any]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"metadata": {"name": name, "namespace": "lab"}, "spec": dict(self.spec), "status": status}

    def patch(self, name: str, change: dict[str, Any]) -> dict[str, Any]:
        self.spec.update(change["spec"])
        return {"metadata": {"name": name, "namespace": "lab"}, "spec": dict(self.spec), "status": self.statuses[0]}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "_LOOK", 0.0)
    monkeypatch.setattr("d4py.targets.kubernetes.run._LOOK", -1.0)


def status(phase: str, attempts: int = 1, *, code: int = 0, **more: Any) -> dict[str, Any]:
    return {"phase": phase, "attempts": attempts, "lastAttempt": {"exitCode": code}, "conditions": [READY], **more}


def ask(command: str, cluster: Any) -> int:
    unset = dict.fromkeys(("mapping", "processes", "accept_changes", "gone", "here"))
    code: int = getattr(kubernetes, command)(Run(cluster, "a"), Namespace(timeout=1.0, **unset))
    return code


@pytest.mark.parametrize("command", ["suspend", "snapshot"])
@pytest.mark.parametrize(
    ("end", "says"),
    [
        (status("Succeeded"), "done, exit code 0"),
        (status("Succeeded", attempts=2), "done, exit code 0"),
        (status("Failed", code=2), "failed, exit code 2"),
        (status("Suspended"), f"stopped. Continue: d4py resume {RUN}"),
        (status("Suspended", conditions=[]), f"stopped. It has no checkpoint. Begin anew: d4py resume {RUN}"),
    ],
    ids=["done", "done in another attempt", "failed", "stopped", "stopped for good"],
)
def test_of_a_run_that_ends_its_end_is_told(
    command: str, end: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Played(status("Running"), status("Running"), end)

    assert ask(command, cluster) == 0

    assert capsys.readouterr() == (f"{RUN}: {says}\n", "")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_run_that_ended_before_it_was_suspended_is_not_resumed(phase: str) -> None:
    cluster = Played(status("Running"), status(phase))
    ask("suspend", cluster)

    with pytest.raises(StateError, match="not suspended") as refused:
        ask("resume", cluster)

    assert refused.value.hint == "Submit it anew."
    assert cluster.spec == {"runPolicy": {"suspend": True}}, "nothing is asked of it any more"


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        ({"attempts": 2}, "stopped at a checkpoint; attempt 2 goes on from there"),
        ({"attempts": 1}, "nothing ran that could make a checkpoint"),
    ],
)
def test_of_a_run_that_goes_on_the_checkpoint_is_told(
    heard: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("d4py.targets.kubernetes.run.new_id", lambda: "now")
    cluster = Played(status("Running"), status("Running"), status("Running", snapshotNonce="now", **heard))

    assert ask("snapshot", cluster) == 0

    assert capsys.readouterr() == (f"{RUN}: {says}\n", "")


class Interrupted(io.StringIO):
    """Where somebody reads, and presses Ctrl-C at the first line."""

    def flush(self) -> None:
        raise KeyboardInterrupt


def test_who_interrupts_when_the_id_is_read_is_told_that_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster: Any = Played(status("Running"))
    monkeypatch.setattr("d4py.targets.kubernetes.Cluster", lambda **_: cluster)
    monkeypatch.setattr("d4py.targets.kubernetes.submit", lambda *_: Run(cluster, "a"))
    monkeypatch.setattr(order, "order_of", lambda _: None)
    monkeypatch.setattr(sys, "stdout", Interrupted())

    with pytest.raises(KeyboardInterrupt):
        order.submit(Namespace(dry_run=False, namespace=None, wait=True, follow=False))

    assert capsys.readouterr().err == f"d4py: {RUN} goes on. See d4py status {RUN}; d4py cancel {RUN} ends it.\n"
