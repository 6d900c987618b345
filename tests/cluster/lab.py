# SPDX-License-Identifier: Apache-2.0
"""Somebody at the cluster, with a folder of their own: sends runs and looks at them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.cluster.nodes import Nodes
from tests.cluster.registries import Registries
from tests.cluster.squares import SCIENCE, Sent, written
from tests.kubernetes.cluster import ROOT


class Told(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class Here:
    """The stacks as `d4py run` makes them on this machine, made once."""

    def __init__(self, archive: Path, room: Path) -> None:
        self._archive, self._room = archive, room
        self._lock = threading.Lock()
        self._found: dict[str, bytes] = {}

    def stacks(self) -> dict[str, bytes]:
        """Return the files of the arrays."""
        with self._lock:
            if not self._found:
                self._run()
                self._found = files(self._room / "here")
        return self._found

    def _run(self) -> None:
        words = ["run", str(ROOT / "workflows" / "ambient_noise"), "--mapping=simple"]
        words += [f"--set=data={self._archive}", f"--set=output={self._room / 'here'}"]
        environment = {**os.environ, "XDG_STATE_HOME": str(self._room / "state")}
        subprocess.run(
            [sys.executable, "-m", "d4py.cli.main", *words], check=True, env=environment, capture_output=True
        )


@dataclass(slots=True, kw_only=True)
class Lab:
    """One of several. The cluster, its registries and its claims are everybody's."""

    cluster: Nodes
    registries: Registries
    claims: dict[str, Path]
    here: Here
    folder: Path
    runs: list[Sent] = field(default_factory=list)

    def call(self, *words: str) -> Told:
        """Call d4py as someone with the cluster's kubeconfig does."""
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)}
        command = [sys.executable, "-m", "d4py.cli.main", *words]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        return Told(ran.returncode, ran.stdout, ran.stderr)

    def send(self, folder: str, *words: str, more: str = "") -> Sent:
        """Send the small workflow. folder: where its outputs go. more: fields of its spec."""
        file = written(self.folder, folder, more)
        flags = ("--kubernetes", "--namespace", SCIENCE, "--values", str(self.folder / "values.yaml"))
        told = self.call("submit", str(file), *flags, *words)
        assert told.code == 0, told.err
        self.runs.append(self.sent(told.out.strip()))
        return self.runs[-1]

    def sent(self, run: str) -> Sent:
        """Return a run by its id."""
        return Sent(self.cluster, run, self.claims["results"] / "runs")

    def leave(self) -> None:
        """Delete what was sent."""
        for run in self.runs:
            self.cluster.call("kubectl", "delete", "d4wf", run.name, f"--namespace={SCIENCE}", "--wait=false")


def files(output: Path) -> dict[str, bytes]:
    """Return the arrays of a result by name."""
    root = output / "stacks.zarr"
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    assert found
    return {name: data for name, data in found.items() if "/c/" in f"/{name}/"}
