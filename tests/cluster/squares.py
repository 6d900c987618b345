# SPDX-License-Identifier: Apache-2.0
"""A small workflow that people send to the cluster, and what is seen of its runs."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster import machine
from tests.cluster.nodes import Nodes
from tests.kubernetes.cluster import PATIENCE

SCIENCE = "science"
WORKFLOW = """
import os
import time
import d4py

@d4py.producer
def numbers(n: int = 50, pause: float = 0.0, first: int = 0):
    for number in range(first, n):
        time.sleep(pause)
        yield number

class Square(d4py.IterativePE):
    def preprocess(self):
        self.log("begins")

    def _process(self, x):
        if x == 1000:
            raise ValueError("a thousand " + os.environ.get("TOKEN", ""))
        if x == 1001:
            self.held = b"x" * (1 << 30)
        if x == 7:
            self.log("seven")
        return x * x

workflow = numbers() >> Square()
"""
VALUES = """
outputs: {volume: {claimName: results, path: FOLDER}}
checkpoint: {volume: {claimName: results, path: runs}, intervalSeconds: 1}
resources: {worker: {requests: {cpu: 100m}}} # there is room for all at once
"""
KINDS = {
    "Pod": "api/v1/{}/pods",
    "Job": "apis/batch/v1/{}/jobs",
    "MPIJob": "apis/kubeflow.org/v2beta1/{}/mpijobs",
    "ConfigMap": "api/v1/{}/configmaps",
    "Service": "api/v1/{}/services",
    "Secret": "api/v1/{}/secrets",
    "NetworkPolicy": "apis/networking.k8s.io/v1/{}/networkpolicies",
}
LOOK = 0.25  # seconds between two looks at a run
LONG = ("--set", "pause=0.15", "--set", "n=200")  # a run of 30 s


class Sent:
    """A run."""

    def __init__(self, cluster: Nodes, run: str, kept: Path) -> None:
        """kept: the folder of this machine in which the folders of runs are."""
        self.cluster, self.id, self.name, self._kept = cluster, run, run.rpartition("/")[2], kept

    @property
    def status(self) -> dict[str, Any]:
        """What the operator says of it."""
        workflow = self.cluster.ask(f"/apis/d4py.dev/v1alpha1/namespaces/{SCIENCE}/workflows/{self.name}")
        found: dict[str, Any] = workflow.get("status", {})
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition."""
        found = {each["type"]: (each["status"], each["reason"]) for each in self.status.get("conditions", ())}
        return found.get(kind, ("", ""))

    def things(self, *kinds: str) -> list[dict[str, Any]]:
        """Return what was made for it, by its labels or by its name."""
        every = [
            {"kind": kind, **each}
            for kind in kinds or KINDS
            for each in self.cluster.ask("/" + KINDS[kind].format(f"namespaces/{SCIENCE}"))["items"]
        ]
        of = "d4py.dev/workflow"
        return [
            each
            for each in every
            if each["metadata"].get("labels", {}).get(of) == self.name
            or each["metadata"]["name"].startswith(f"{self.name}-")
            or each["metadata"]["name"] == self.name
        ]

    def attempts(self) -> list[str]:
        """Return the names of what the operator has made to be run."""
        return [each["metadata"]["name"] for each in self.things("Job", "MPIJob") if self.owns(each)]

    def owns(self, thing: dict[str, Any]) -> bool:
        """Whether the operator made something for it, and nobody else."""
        owners = thing["metadata"].get("ownerReferences") or [{}]
        return [each.get("kind") for each in owners] == ["Workflow"]

    def pod(self, role: str = "driver") -> dict[str, Any]:
        """Return a pod of it that runs."""
        for each in self.things("Pod"):
            ours = each["metadata"]["labels"].get("d4py.dev/role") == role
            if ours and each["status"]["phase"] == "Running" and "deletionTimestamp" not in each["metadata"]:
                return each
        return {}

    def workers(self) -> list[dict[str, Any]]:
        """Return the pods that its ranks are in, by name."""
        pods = self.things("Pod")
        return [each for each in pods if each["metadata"]["labels"].get("d4py.dev/role") == "worker"]

    def committed(self) -> None:
        """Wait until a checkpoint holds item seven, and its pod has said so, by the run's own files: the operator asks now and then only."""
        self.wait_for(self._logged_seven, "item seven")
        before = self._epoch()  # the one after it may have begun before that item came
        self.wait_for(
            lambda: self._epoch() >= before + 2 and (self.pod() or self.pod("worker")), "a checkpoint that holds it"
        )

    def _logged_seven(self) -> bool:
        for noted in self._kept.glob(f"{self.name}-*/printed.json"):
            printed = json.loads(noted.read_text())
            logs = (noted.parent / "logs").glob("Square*.log")
            return any(b"seven" in log.read_bytes()[: printed.get(log.name, 0)] for log in logs)
        return False

    def _epoch(self) -> int:
        """Return the number of its newest checkpoint."""
        commits = self._kept.glob(f"{self.name}-*/commits/*.json")
        return max((int(path.stem.partition("-")[0].removeprefix("e")) for path in commits), default=0)

    def kill(self, pod: dict[str, Any]) -> None:
        """Kill the processes of a pod, as a node without memory does."""
        node = int(pod["spec"]["nodeName"].removeprefix("node"))
        (container,) = pod["status"]["containerStatuses"]
        machine.signal(node, container["containerID"].rpartition("/")[2], signal.SIGKILL)

    def gone(self) -> None:
        """Wait until nothing of it is left."""
        self.wait_for(lambda: not self.things(), f"all of {self.name} to go")

    def wait_for(self, condition: Callable[[], object], what: str, *, within: float = PATIENCE) -> None:
        """Wait for something of it."""
        self.cluster.wait_for(condition, what, within=within, pause=LOOK)

    @contextmanager
    def watched(self) -> Iterator[Watched]:
        """Watch its pods meanwhile."""
        with tempfile.TemporaryFile() as told:
            words = ["get", "pods", f"--namespace={SCIENCE}", f"-l=d4py.dev/workflow={self.name}", "-o=json"]
            command = [str(self.cluster.programs / "kubectl"), f"--kubeconfig={self.cluster.kubeconfig}", *words]
            watch = subprocess.Popen([*command, "--watch", "--output-watch-events"], stdout=told)
            watched = Watched()
            try:
                yield watched
            finally:
                watch.terminate()
                watch.wait()
                told.seek(0)
                watched.read(told.read().decode())


class Watched:
    """What became of pods."""

    def __init__(self) -> None:
        self.most = 0  # that ran at once

    def read(self, text: str) -> None:
        """Read what a watch has told."""
        running: set[str] = set()
        decoder = json.JSONDecoder()
        while text := text.lstrip():
            try:
                event, end = decoder.raw_decode(text)
            except ValueError:
                return  # the last one was cut off
            text = text[end:]
            name, phase = event["object"]["metadata"]["name"], event["object"]["status"].get("phase")
            (running.add if phase == "Running" and event["type"] != "DELETED" else running.discard)(name)
            self.most = max(self.most, len(running))


def written(folder: Path, outputs: str, more: str) -> Path:
    """Write the workflow, and the values that it is sent with; return its file."""
    (folder / "squares.py").write_text(WORKFLOW)
    (folder / "values.yaml").write_text(VALUES.replace("FOLDER", outputs) + more)
    return folder / "squares.py"


def values_of(printed: str) -> list[int]:
    """Return the outputs that a command has printed."""
    return [json.loads(line)["value"] for line in printed.splitlines()]
