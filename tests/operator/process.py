# SPDX-License-Identifier: Apache-2.0
"""An operator in a process of its own, started as people start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from tests.kubernetes.cluster import Cluster
from tests.ports import free_ports

_REQUESTS = re.compile(r'^d4py_operator_api_requests_total\{verb="(\w+)",answer="(\w+)"\} (\d+)$', re.MULTILINE)
_LOOKS = re.compile(r'^d4py_operator_reconcile_total\{kind="(\w+)",result="(\w+)"\} (\d+)$', re.MULTILINE)


class Process:
    """One of them."""

    def __init__(self, cluster: Cluster, namespace: str, log: Path, *words: str, seconds: float = 5) -> None:
        """seconds: that its lease lasts."""
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
        lease = [f"--lease-seconds={seconds:g}"]
        with open(log, "ab") as out:
            self.process = subprocess.Popen([*command, *ports, *lease, *words], stdout=out, stderr=out)

    def pin(self, core: int) -> None:
        """Have it run on one core; threads that it starts later too."""
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})

    def get(self, port: int, path: str) -> tuple[int, str]:
        """Return the answer of one of its pages."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def ready(self) -> bool:
        """Whether it says that it is."""
        assert self.process.poll() is None, self.log.read_text()
        return self.get(self.health, "/readyz")[0] == 200

    @property
    def leads(self) -> bool:
        """Whether it holds the lease."""
        return "d4py_operator_leader 1\n" in self.get(self.metrics, "/metrics")[1]

    @property
    def requests(self) -> Counter[tuple[str, str]]:
        """How many requests it has made, by verb and answer."""
        found = _REQUESTS.findall(self.get(self.metrics, "/metrics")[1])
        return Counter({(verb, answer): int(number) for verb, answer, number in found})

    @property
    def looks(self) -> Counter[tuple[str, str]]:
        """How many looks at objects it has taken, by kind and result."""
        found = _LOOKS.findall(self.get(self.metrics, "/metrics")[1])
        return Counter({(kind, result): int(number) for kind, result, number in found})

    def end(self, number: int = signal.SIGKILL) -> int:
        """End it; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)
