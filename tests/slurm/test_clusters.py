# SPDX-License-Identifier: Apache-2.0
"""Sites with several clusters under one Slurm: ids of jobs are per cluster. No such site can be had here, so Slurm's programs are played."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.slurm.conftest import SOURCE_ROOT, WORKFLOW

PLAYED = {
    "sbatch": 'case "$*" in *--test-only*) ;; *) echo "7;cm2";; esac',
    "squeue": 'case "$*" in *--jobs=7*--clusters=cm2*) echo "CLUSTER: cm2"; echo "7|PENDING|Priority";; esac',
    "scancel": 'echo "$*" >>cancelled',
}


def test_a_job_is_asked_for_on_its_own_cluster(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in PLAYED.items():
        (programs / name).write_text(f'#!/bin/sh\necho "$0 $*" >>{tmp_path}/called\n{text}\n')
        (programs / name).chmod(0o755)
    (tmp_path / "wf.py").write_text(WORKFLOW)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE_ROOT),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "d4py.cli.main", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    sent = call("submit", "--slurm", "wf.py", "--profile", "lrz-linux", "--time", "30", "--run-id", "a")
    status = call("status", "a")
    cancelled = call("cancel", "a")

    assert (sent.returncode, sent.stdout) == (0, "slurm://a\n"), sent.stderr
    assert "queued" in status.stdout
    assert "7;cm2, pending (Priority)" in status.stdout
    assert cancelled.returncode == 0
    assert (tmp_path / "cancelled").read_text().splitlines()[0] == "7 --clusters=cm2"
    called = (tmp_path / "called").read_text()
    assert "squeue --noheader --name=d4py-a --format=%i --me --clusters=cm2" in called
    assert "--no-requeue --get-user-env" in called
