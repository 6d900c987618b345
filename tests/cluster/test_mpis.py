# SPDX-License-Identifier: Apache-2.0
"""Other MPIs than Debian's Open MPI 4: their wheels, put on the MPI image by `d4py build`. Ranks in two pods find each other."""

from __future__ import annotations

import json

import pytest
from tests.cluster.images import RANKS
from tests.cluster.lab import Lab
from tests.cluster.squares import SCIENCE

MPIS = {"openmpi": ("OpenMPI", "Open MPI v5"), "mpich": ("MPICH", "MPICH Version")}
VALUES = """
mpi: {{ranks: 2, launcher: {launcher}, implementation: {implementation}}}
checkpoint: {{volume: {{claimName: results, path: runs}}}}
outputs: {{volume: {{claimName: results, path: {name}-{launcher}}}}}
resources: {{worker: {{requests: {{cpu: 100m}}}}, launcher: {{requests: {{cpu: 100m}}}}}}
"""


@pytest.mark.parametrize("launcher", ["MPIJob", "Native"])
@pytest.mark.parametrize("name", MPIS)
def test_ranks_of_another_mpi_work_together_in_two_pods(name: str, launcher: str, lab: Lab) -> None:
    implementation, says = MPIS[name]
    values = lab.folder / "values.yaml"
    values.write_text(VALUES.format(name=name, launcher=launcher, implementation=implementation))
    words = ("--kubernetes", "--namespace", SCIENCE, "--mapping", "mpi", "-n", "2", "--values", str(values))
    sent = lab.call("submit", "/opt/d4py/workflows/ranks", "--image", RANKS[name], *words)
    assert sent.code == 0, sent.err
    run = lab.sent(sent.out.strip())
    lab.runs.append(run)

    waited = lab.call("wait", run.id, "--timeout", "200")

    assert waited.code == 0, waited.err + lab.call("logs", run.id).out
    told = [json.loads(line)["value"] for line in lab.call("outputs", run.id, "-o", "json").out.splitlines()]
    assert sorted(each["square"] for each in told) == [number * number for number in range(40)]
    assert {each["mpi"].startswith(says) for each in told} == {True}, told[:1]
    assert all(len(set(each["pods"])) == 2 for each in told), "every item has gone from one pod to the other"
    assert run.status["lastAttempt"]["kind"] == ("MPIJob" if launcher == "MPIJob" else "Job")
