# SPDX-License-Identifier: Apache-2.0
"""The ambient-noise workflow on a real cluster: `kubectl apply`, and the stacks have the bits of a run on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.blas import KERNELS
from tests.cluster.conftest import flagship
from tests.cluster.images import FLAGSHIP
from tests.cluster.lab import Lab, files
from tests.cluster.registries import PRIVATE, Registries
from tests.cluster.squares import SCIENCE

# Ranks of several pods share the run's folder.
MPI = {"mapping": "mpi", "parallelism": None, "checkpoint": {"volume": {"claimName": "results", "path": "runs"}}}
BY_OPERATOR = {**MPI, "mpi": {"ranks": 2, "launcher": "MPIJob"}}
NATIVE = {**MPI, "mpi": {"ranks": 2, "launcher": "Native"}}
# There is room for all tests at once: one of them shows that a run waits for nothing.
SMALL = {"worker": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}}


def by_name(_: Registries) -> dict[str, Any]:
    """The file as it is."""
    return {}


def by_digest(registries: Registries) -> dict[str, Any]:
    return {"image": f"{FLAGSHIP.partition(':')[0]}@{registries.digest(FLAGSHIP)}"}


def by_password(_: Registries) -> dict[str, Any]:
    return {"image": f"{PRIVATE}/{FLAGSHIP}", "imagePullSecrets": [{"name": "login"}]}


@pytest.mark.parametrize(
    ("name", "changes", "pulled"),
    [("multi", {}, by_name), ("mpi", BY_OPERATOR, by_digest), ("native", NATIVE, by_password)],
)
def test_the_flagship_succeeds_with_the_bits_of_a_run_here(
    name: str,
    changes: dict[str, Any],
    pulled: Callable[[Registries], dict[str, Any]],
    lab: Lab,
) -> None:
    cluster = lab.cluster
    variables = [{"name": variable, "value": value} for variable, value in KERNELS.items()]
    args = {"data": "/archive", "output": f"/results/{name}"}
    workflow = flagship(**changes, **pulled(lab.registries), args=args, env=variables or None, resources=SMALL)
    workflow["metadata"]["name"] = name
    cluster.apply(workflow, namespace=SCIENCE)

    stacks = lab.here.stacks()
    waited = lab.call("wait", f"kubernetes://{SCIENCE}/{name}", "--timeout", "200")

    assert waited.code == 0, (
        waited.out + waited.err + cluster.kubectl("describe", "workflows.d4py.dev", name, "-n", SCIENCE)
    )
    assert files(lab.claims["results"] / name) == stacks
    shown = cluster.kubectl("get", "d4wf", name, "-n", SCIENCE).splitlines()[1].split()
    assert shown[:3] == [name, workflow["spec"]["mapping"], "Succeeded"]
    ran = cluster.get("d4wf", name, namespace=SCIENCE)["status"]["image"]["resolvedDigest"]
    assert ran.endswith(f"@{lab.registries.digest(FLAGSHIP)}"), "what was pushed is what ran"
