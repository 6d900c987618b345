# SPDX-License-Identifier: Apache-2.0
"""The right way to start ranks works with each MPI; the commonest wrong ones are refused. `make test-long` tries all that are known."""

from __future__ import annotations

import re

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.ways import ANSWER, OWN, CameTo, Way, start, ways

NODES, PER_NODE = 2, 1
TRIED = ways(["srun --mpi=pmix", "srun --mpi=pmi2", "srun", OWN], submitted=[True])


@pytest.fixture(scope="session")
def started(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[Way, CameTo]:
    """What each way came to."""
    folder = tmp_path_factory.mktemp("ways")
    return dict(start(cluster, folder, TRIED, nodes=NODES, per_node=PER_NODE))


@pytest.mark.parametrize("way", TRIED, ids=lambda way: f"{way.mpi}, {way.launcher}")
def test_ranks_find_each_other_or_are_refused_with_cause_and_remedy(way: Way, started: dict[Way, CameTo]) -> None:
    judge(way, started[way], ranks=NODES * PER_NODE, nodes=NODES)


def judge(way: Way, came: CameTo, *, ranks: int, nodes: int) -> None:
    """Check that a way came to what was expected."""
    expected = way.expected(ranks, nodes)
    if expected:
        assert (came.code, came.ranks) == (2, []), came.err
        assert len(came.said) == 1, came.err
        assert re.search(expected, came.said[0])
    else:
        size = ranks // 2 if way.launcher == "srun of half the ranks" else ranks
        assert (came.code, came.ranks, came.said) == (0, [size], []), came.err
        assert came.answer == ANSWER
