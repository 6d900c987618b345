# SPDX-License-Identifier: Apache-2.0
"""The peer's own environment: made once, kept in the user's cache, outside any checkout."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 12))  # stream-d4py runs on these, from the one to the other
PINNED = ("stream-d4py==2.9.1", "networkx==3.4.2", "redis==8.1.0")


class NoPeer(RuntimeError):
    """The peer can't be had; one line with a remedy."""


def requirements() -> list[str]:
    """Return what the peer is installed with: NumPy as here, so that both sum with the same code."""
    return [*PINNED, f"numpy=={importlib.metadata.version('numpy')}"]


def stream_d4py() -> Path:
    """Return the peer's program; its environment is made where it is missing or was made with other versions."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = cache / "d4py" / "bench" / "stream-d4py"
    (python, version), stamp = interpreter(), venv / "installed"
    wanted = "\n".join([f"python {version}", *requirements()])
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"bench: installing {PINNED[0]} into {venv}", file=sys.stderr, flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        run([python, "-m", "venv", str(venv)])
        run(
            [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements()]
        )
        stamp.write_text(wanted)
    return venv / "bin" / "dispel4py"


def interpreter() -> tuple[str, str]:
    """Return this Python, or the newest that the peer runs on, and its version."""
    (major, first), (_, last) = SUPPORTED
    if SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        return sys.executable, f"{major}.{sys.version_info.minor}"
    for minor in range(last, first - 1, -1):
        if found := shutil.which(f"python{major}.{minor}"):
            return found, f"{major}.{minor}"
    raise NoPeer(
        "stream-d4py runs on Python 3.10 to 3.12, and none is here. Install one, or compare without it: --no-peer."
    )


def run(command: list[str]) -> None:
    """Run a step of the installation."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoPeer(
            f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}. Mend that, or compare without: --no-peer."
        )
