# SPDX-License-Identifier: Apache-2.0
"""Slurm's programs, played by a few lines of sh each: for sites that cannot be had here, and for hours that do not come when called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.slurm.conftest import SOURCE_ROOT, WORKFLOW

Call = Callable[..., subprocess.CompletedProcess[str]]


def played(folder: Path, programs: Mapping[str, str]) -> Call:
    """Return what calls d4py in a folder beside these programs; what they are called with is in the file `called`."""
    path = folder / "bin"
    path.mkdir()
    for name, text in programs.items():
        (path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/called\n{text}\n')
        (path / name).chmod(0o755)
    (folder / "wf.py").write_text(WORKFLOW)
    environment = {
        **os.environ,
        "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE_ROOT),
        "XDG_STATE_HOME": str(folder / "state"),
    }

    def call(words: str | list[str], **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "d4py.cli.main", *(words.split() if isinstance(words, str) else words)]
        return subprocess.run(
            command, cwd=folder, env={**environment, **more}, capture_output=True, text=True, timeout=60
        )

    return call
