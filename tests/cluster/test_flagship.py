# SPDX-License-Identifier: Apache-2.0
"""The ambient-noise workflow on a real cluster: `kubectl apply`, and the stacks have the bits of a run on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import SCIENCE, Call, flagship
from tests.cluster.nodes import Nodes
from tests.kubernetes.cluster import ROOT

# Ranks of several pods share the run's folder.
MPI = {"mapping": "mpi", "parallelism": None, "checkpoint": {"volume": {"claimName": "results", "path": "runs"}}}
BY_OPERATOR = {**MPI, "mpi": {"ranks": 2, "launcher": "MPIJob"}}
NATIVE = {**MPI, "mpi": {"ranks": 2, "launcher": "Native"}}


@pytest.fixture(scope="session")
def stacks(archive: Path, folder: Path) -> dict[str, bytes]:
    """The files of the stacks as `d4py run` makes them here."""
    output = folder / "here"
    words = [
        "run",
        str(ROOT / "workflows" / "ambient_noise"),
        "--mapping=simple",
        f"--set=data={archive}",
        f"--set=output={output}",
    ]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    subprocess.run([sys.executable, "-m", "d4py.cli.main", *words], check=True, env=environment, capture_output=True)
    return files(output)


def files(output: Path) -> dict[str, bytes]:
    """Return the arrays of a result by name."""
    root = output / "stacks.zarr"
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    assert found
    return {name: data for name, data in found.items() if "/c/" in f"/{name}/"}


@pytest.mark.parametrize(("name", "changes"), [("multi", {}), ("mpi", BY_OPERATOR), ("native", NATIVE)])
def test_the_flagship_succeeds_with_the_bits_of_a_run_here(
    name: str, changes: dict[str, Any], cluster: Nodes, claims: dict[str, Path], stacks: dict[str, bytes], call: Call
) -> None:
    workflow = flagship(**changes, args={"data": "/archive", "output": f"/results/{name}"})
    workflow["metadata"]["name"] = name
    cluster.apply(workflow, namespace=SCIENCE)

    waited = call("wait", f"kubernetes://{SCIENCE}/{name}", "--timeout", "200")

    assert waited.code == 0, (
        waited.out + waited.err + cluster.kubectl("describe", "workflows.d4py.dev", name, "-n", SCIENCE)
    )
    assert files(claims["results"] / name) == stacks
    shown = cluster.kubectl("get", "d4wf", name, "-n", SCIENCE).splitlines()[1].split()
    assert shown[:3] == [name, workflow["spec"]["mapping"], "Succeeded"]
