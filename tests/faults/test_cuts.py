# SPDX-License-Identifier: Apache-2.0
"""`d4py resume` continues a run whose every process was killed, with the answer of one that was not."""

from __future__ import annotations

import os

import pytest
from tests.faults.cuts import Cut, Cutter

CUTS = 10
SEED = os.environ.get("SEED") or "suite"


@pytest.fixture(scope="module")
def cuts(tmp_path_factory: pytest.TempPathFactory) -> list[Cut]:
    return list(Cutter(tmp_path_factory.mktemp("cuts") / "flagship").cuts(SEED, CUTS))


def test_every_cut_is_resumed_to_the_same_outputs_and_the_same_bytes(cuts: list[Cut]) -> None:
    assert len(cuts) == CUTS
    assert [str(cut) for cut in cuts if not cut.good] == []


def test_most_cuts_come_after_a_checkpoint(cuts: list[Cut]) -> None:
    assert sum(cut.commits > 0 for cut in cuts) >= 8
