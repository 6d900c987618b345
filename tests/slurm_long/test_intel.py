# SPDX-License-Identifier: Apache-2.0
"""Intel MPI, which SuperMUC-NG has, at a site like it."""

from __future__ import annotations

from pathlib import Path

from tests.mpi.installed import INTEL
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call
from tests.slurm.test_supermuc import goes_through


def test_a_run_on_intel_mpi_is_cut_and_goes_on_as_if_it_were_not(call: Call, here: Path, cluster: Cluster) -> None:
    goes_through(cluster, here, call, INTEL)
