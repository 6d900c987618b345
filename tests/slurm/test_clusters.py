# SPDX-License-Identifier: Apache-2.0
"""Sites with several clusters under one Slurm: ids of jobs are per cluster. No such site can be had here, so Slurm's programs are played."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.slurm.played import Call, played

PLAYED = {
    "sbatch": 'case "$*" in *--test-only*) ;; *d4py-b*) echo "8;cm2";; *) echo "7;cm2";; esac',
    "squeue": """case "$*" in *--jobs=*--clusters=cm2*)
        echo "CLUSTER: cm2"
        for job in 7 8; do case "$*" in *$job*--clusters*) echo "$job|PENDING|Priority";; esac; done
    esac""",
    "scancel": 'echo "$*" >>cancelled',
}


@pytest.fixture
def site(tmp_path: Path) -> Call:
    """Call d4py beside Slurm's programs as they are played."""
    return played(tmp_path, PLAYED)


def test_a_job_is_asked_for_on_its_own_cluster(site: Call, tmp_path: Path) -> None:
    sent = site("submit --slurm wf.py --profile lrz-linux --time 30 --run-id a")
    status = site("status a")
    cancelled = site("cancel a")

    assert (sent.returncode, sent.stdout) == (0, "slurm://a\n"), sent.stderr
    assert "queued" in status.stdout
    assert "7;cm2, pending (Priority)" in status.stdout
    assert cancelled.returncode == 0
    assert (tmp_path / "cancelled").read_text().splitlines()[0] == "7 --clusters=cm2"
    called = (tmp_path / "called").read_text()
    assert "squeue --noheader --name=d4py-a --format=%i|%Z --me --clusters=cm2" in called
    assert "--no-requeue --get-user-env" in called


def test_all_runs_that_are_listed_are_one_question(site: Call, tmp_path: Path) -> None:
    for name in "abc":
        assert site(f"submit --slurm wf.py --profile lrz-linux --time 30 --run-id {name}").returncode == 0
    swept = site("submit --slurm wf.py --profile lrz-linux --time 30 --run-id d --sweep n=1,2")
    (tmp_path / "called").unlink()

    told = site("list").stdout.splitlines()

    assert swept.returncode == 0, swept.stderr
    assert [line.split()[:4] for line in told[1:]] == [[name, "wf", "mpi", "queued"] for name in "dcba"]
    asked = (tmp_path / "called").read_text().splitlines()
    assert len([line for line in asked if line.startswith("squeue ")]) == 1
    assert re.search(r"--jobs=\S*\b7\b", asked[0])
    assert re.search(r"--jobs=\S*\b8\b", asked[0])
