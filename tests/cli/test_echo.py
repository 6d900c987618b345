# SPDX-License-Identifier: Apache-2.0
"""A run in a pod prints what its PEs log: nobody sees its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOW = """
import d4py

class Talk(d4py.IterativePE):
    def _process(self, x):
        self.log(f"heard {x}")

@d4py.producer
def numbers():
    yield from range(3)

workflow = numbers() >> Talk()
"""


@pytest.mark.parametrize(("asked", "heard"), [({}, []), ({"D4PY_LOGS": "stdout"}, ["heard 0", "heard 1", "heard 2"])])
def test_what_pes_log_is_printed_where_that_is_asked_for(
    asked: dict[str, str], heard: list[str], tmp_path: Path
) -> None:
    (tmp_path / "talk.py").write_text(WORKFLOW)
    command = [sys.executable, "-m", "d4py.cli.main", "run", "talk.py", "--quiet"]
    ran = subprocess.run(command, cwd=tmp_path, env={**os.environ, **asked}, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stdout.splitlines() if line.startswith("Talk | ")]
    assert [line[-7:] for line in lines] == heard
