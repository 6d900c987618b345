# SPDX-License-Identifier: Apache-2.0
"""At least 150 faults dealt to real runs: nothing is lost, nothing is committed twice, nothing hangs, nothing is left behind."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from tests.faults import checker
from tests.faults.campaign import Verdict, campaign
from tests.faults.kinds import KINDS

FAULTS = 150
SEED = os.environ.get("SEED") or "suite"  # the same cases for everyone; `make faults` draws others
LATE = 0.1  # of the faults may come too late: the run had ended


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    print(f"seed {SEED}")
    return list(campaign(SEED, FAULTS, folder=tmp_path_factory.mktemp("cases"), at_once=3))


def test_so_many_faults_hit_runs_that_were_going_on(verdicts: list[Verdict]) -> None:
    hits = [hit for verdict in verdicts for hit in verdict.evidence.hits]
    counted = sum(hit.counts for hit in hits)

    assert counted >= FAULTS
    assert counted >= (1 - LATE) * len(hits)


def test_every_kind_of_fault_is_among_them(verdicts: list[Verdict]) -> None:
    kinds = Counter(hit.strike.kind for verdict in verdicts for hit in verdict.evidence.hits if hit.counts)

    assert [kind for kind in KINDS if not kinds[kind]] == []


@pytest.mark.parametrize("fault", checker.FAULTS)
def test_there_is_none(fault: str, verdicts: list[Verdict]) -> None:
    wrong = [verdict for verdict in verdicts if any(complaint.fault == fault for complaint in verdict.complaints)]

    assert [str(verdict) for verdict in wrong] == []
