# SPDX-License-Identifier: Apache-2.0
"""The contract on ranks of an MPI job, in which these tests are the first rank, and the others serve."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import ClassVar

import pytest

from d4py.testing import MappingContract
from d4py.testing.workflows import NAME

CTRL_C = "mpiexec answers Ctrl-C with TERM and soon KILL: what counts is the last periodic checkpoint"


@pytest.fixture(autouse=True)
def more_ranks_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs that are started from here have them: the mpiexec of Open MPI 5 keeps what it was told from its ranks."""
    monkeypatch.setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")


class TestMpi(MappingContract):
    mapping = "mpi"
    python = ("mpiexec", "-n", "3", sys.executable)
    not_applicable: ClassVar[dict[str, str]] = {
        "test_ctrl_c_drains_a_live_source_whenever_it_comes": CTRL_C,
        "test_ctrl_c_reaches_a_live_source_that_stands_in_a_read": CTRL_C,
        "test_ctrl_c_while_an_item_is_on_its_way_keeps_a_live_source_from_its_next_read": CTRL_C,
        "test_a_second_ctrl_c_while_the_run_drains_ends_it_and_resume_goes_on": CTRL_C,
    }

    @pytest.mark.parametrize("kind", ["SIGUSR1"])
    def test_a_signal_before_the_walltime_makes_a_checkpoint_and_exits_5(self, kind: str) -> None:
        """Launchers pass USR1 on; to TERM they answer by ending the job themselves."""
        super().test_a_signal_before_the_walltime_makes_a_checkpoint_and_exits_5(kind)

    @pytest.mark.parametrize("kind", ["SIGUSR1"])
    def test_a_signal_when_all_is_computed_comes_too_late(self, kind: str) -> None:
        """The same."""
        super().test_a_signal_when_all_is_computed_comes_too_late(kind)

    def in_another_world(self, *, expected: int, found: int) -> subprocess.CompletedProcess[str]:
        assert found == 1
        words = ["run", NAME, "--set", "shape=line", "--set", f"scratch={self.scratch}", "--mapping", "mpi"]
        return subprocess.run(
            [sys.executable, "-m", "d4py.cli.main", *words],
            env={**os.environ, "D4PY_RANKS": str(expected)},
            capture_output=True,
            text=True,
            timeout=50,
        )
