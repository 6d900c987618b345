# SPDX-License-Identifier: Apache-2.0
"""Write down what the operator of this checkout leaves in a cluster: python -m tests.operator.stored.record FOLDER. README.md says how and when."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kubernetes.cluster import ROOT, Cluster
from tests.operator.conftest import working
from tests.operator.hands import SPEC, Hands, eventually
from tests.operator.mpi import mpi_operator

from d4py_operator.cluster.api import Api, configuration
from d4py_operator.objects import Object

KINDS = ("Job", "MPIJob", "Pod", "ConfigMap", "Service", "Secret", "NetworkPolicy")
COMMON: dict[str, Any] = {
    **SPEC,
    "args": {"n": "5"},
    "inputs": {"inline": "{}"},
    "outputs": {"uri": "pvc://results/here"},
    "checkpoint": {"volume": {"claimName": "results", "path": "runs"}, "intervalSeconds": 30},
    "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}}],
    "envFrom": [{"secretRef": {"name": "whole"}}],
    "networkPolicy": "Isolated",
    "runPolicy": {"backoffLimit": 2, "backoff": {"initialSeconds": 60}},
}
RANKS = {"ranks": 4, "slotsPerWorker": 2}
MAPPINGS: dict[str, dict[str, Any]] = {
    "simple": {"mapping": "simple"},
    "threads": {"mapping": "threads", "parallelism": {"processes": 2}},
    "multi": {"mapping": "multi", "parallelism": {"processes": 2}},
    "native": {"mapping": "mpi", "mpi": {**RANKS, "launcher": "Native"}},
    "mpijob": {"mapping": "mpi", "mpi": {**RANKS, "launcher": "MPIJob"}},
}


class Recorder(Hands):
    """Somebody who brings runs into phases, and writes them down."""

    def leads(self, name: str, attempt: int = 1) -> str:
        """Return the Job whose pod leads an attempt; of an MPIJob, once its workers are ready."""
        job = f"{name}-{attempt}"
        if not name.startswith("mpijob"):
            return job

        def workers() -> list[str]:
            names = [pod["metadata"]["name"] for pod in self.all("Pod")]
            return [each for each in names if each.startswith(f"{job}-worker-")]

        for worker in eventually(lambda: len(found := workers()) == 2 and found, f"workers of {job}"):
            now = self.get("Pod", worker)["metadata"]["creationTimestamp"]
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
            self._say(worker, phase="Running", startTime=now, conditions=[ready])
        return f"{job}-launcher"

    def running(self, name: str, attempt: int = 1) -> str:
        """Have an attempt run; return the Job that leads it."""
        job = self.leads(name, attempt)
        self.runs(job)
        self.await_phase(name, "Running")
        return job

    # --- phases

    def starting(self, name: str) -> None:
        self.await_phase(name, "Starting")
        eventually(lambda: self.status(name)["lastAttempt"].get("uid"), f"the Job of {name} to be seen")
        eventually(lambda: self.of(name, "Pod"), f"a pod of {name}")

    def retrying(self, name: str) -> None:
        self.ends(self.running(name), 3, said={"failed_pe": "count", "error": "PE 'count' raised", "checkpoint": 4})
        eventually(lambda: self.says(name) == ("Pending", "Retrying"), f"{name} to have failed")

    def suspended(self, name: str) -> None:
        self.running(name)
        self.suspend(name)
        self.await_phase(name, "Suspended")

    def succeeded(self, name: str) -> None:
        self.ends(self.running(name), 0, said={"read": 3, "written": 4, "checkpoint": 6})
        self.await_phase(name, "Succeeded")

    # --- writing down

    def of(self, name: str, kind: str) -> list[Object]:
        """Return the objects of a kind that were made for a workflow."""
        return [
            each for each in self.all(kind) if (each["metadata"].get("labels") or {}).get("d4py.dev/workflow") == name
        ]

    def written_down(self, name: str) -> list[Object]:
        things = [self.get("Workflow", name), *(each for kind in KINDS for each in self.of(name, kind))]
        for thing in things:
            thing["metadata"].pop("managedFields", None)
            if thing["kind"] == "Pod":
                del thing["spec"]  # what the template of its Job says
            if thing["kind"] == "Secret":
                thing["data"] = dict.fromkeys(thing["data"], "")
        return things


PHASES: dict[str, Callable[[Recorder, str], object]] = {
    "starting": Recorder.starting,
    "running": Recorder.running,
    "retrying": Recorder.retrying,
    "suspended": Recorder.suspended,
    "succeeded": Recorder.succeeded,
}


def record(folder: Path) -> None:
    """Bring a run of each mapping into each phase, and write down what is there."""
    with tempfile.TemporaryDirectory(prefix="d4py-record-", dir="/var/tmp") as root:
        cluster = Cluster(Path(root))
        try:
            cluster.up()
            for path in (ROOT / "helm" / "d4py" / "crds", cluster.programs / "mpijobs.yaml"):
                cluster.kubectl("apply", "--server-side", "-f", str(path))
            for crd in ("workflows.d4py.dev", "mpijobs.kubeflow.org"):
                cluster.kubectl("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=30s")
            api = Api(configuration(str(cluster.kubeconfig)))
            with mpi_operator(cluster, "default"), working(str(cluster.kubeconfig), "default"):
                for mapping, spec in MAPPINGS.items():
                    (folder / f"{mapping}.json").write_text(text(bring(Recorder(api, "default"), mapping, spec)))
        finally:
            cluster.down()


def bring(hands: Recorder, mapping: str, spec: dict[str, Any]) -> dict[str, list[Object]]:
    """Return what is there of runs of a mapping, by phase."""
    found = {}
    for phase, become in PHASES.items():
        name = f"{mapping}-{phase}"
        hands.make("Workflow", name, {**COMMON, **spec})
        become(hands, name)
        found[phase] = hands.written_down(name)
    return found


def text(found: dict[str, list[Object]]) -> str:
    """Return it as JSON, an object a line."""
    phases = [
        f" {json.dumps(phase)}: [\n  " + ",\n  ".join(json.dumps(each, sort_keys=True) for each in things) + "\n ]"
        for phase, things in found.items()
    ]
    return "{\n" + ",\n".join(phases) + "\n}\n"


if __name__ == "__main__":
    record(Path(sys.argv[1]))
