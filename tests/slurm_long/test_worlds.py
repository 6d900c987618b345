# SPDX-License-Identifier: Apache-2.0
"""Every way that is known to start ranks, with each MPI: it gives the world that was meant, or is refused with cause and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.mpi.installed import INTEL
from tests.slurm.cluster import Cluster
from tests.slurm.test_worlds import judge
from tests.slurm.ways import OWN, CameTo, Way, start, ways

NODES, PER_NODE = 4, 2
LAUNCHERS = ["srun --mpi=pmix", "srun --mpi=pmi2", "srun --mpi=none", "srun", OWN, "others", "nothing"]
LAUNCHERS += ["srun of half the ranks", "srun on one node"]
TRIED = ways(LAUNCHERS) + ways([*LAUNCHERS[:5], "nothing"], mpis=[INTEL])


@pytest.fixture(scope="session")
def started(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[dict[Way, CameTo], Iterator[tuple[Way, CameTo]]]:
    """What ways have come to, and what those to come will."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [
        way
        for way in TRIED
        if any(way in item.callspec.params.values() for item in items if "way" in item.fixturenames)
    ]
    return {}, start(cluster, tmp_path_factory.mktemp("ways"), chosen, nodes=NODES, per_node=PER_NODE)


@pytest.mark.parametrize(
    "way", TRIED, ids=lambda way: f"{way.mpi}, {way.launcher}, {'submitted' if way.submitted else 'by hand'}"
)
def test_ranks_find_each_other_or_are_refused_with_cause_and_remedy(
    way: Way,
    started: tuple[dict[Way, CameTo], Iterator[tuple[Way, CameTo]]],
    record_property: Callable[[str, Any], None],
) -> None:
    known, coming = started
    while way not in known:
        known.update([next(coming)])
    came = known[way]
    table = f"{NODES * PER_NODE} ranks on {NODES} nodes of Slurm, {'by d4py submit' if way.submitted else 'by hand'}"
    told = f"{came.ranks[0]} ranks, {came.seconds:.1f} s" if came.ranks else f"refused, exit code {came.code}"
    record_property("cell", json.dumps([table, way.launcher, way.mpi, told]))
    judge(way, came, ranks=NODES * PER_NODE, nodes=NODES)
