# SPDX-License-Identifier: Apache-2.0
"""uv, which resolves and unpacks wheels for another Python than the one that runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from d4py.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LONGEST = 600


def uv(words: Sequence[str], *, folder: Path, hint: str) -> str:
    """Run uv in a folder and return what it prints. Raises BuildError with what it says instead."""
    try:
        from uv import find_uv_bin
    except ImportError:
        raise BuildError("There is no uv, which resolves requirements.", hint="pip install 'd4py[images]'.") from None
    command = [find_uv_bin(), *words, "--quiet", "--color=never", "--no-python-downloads", f"--python={sys.executable}"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise BuildError(f"The requirements cannot be met: {_said(done.stderr)}.", hint=hint)
    return done.stdout


def _said(text: str) -> str:
    """Return what uv says, without its drawings and without what an address may hold besides a host."""
    words = re.sub(r"[^\x20-\x7e]+", " ", text)
    words = re.sub(r"//[^/@\s]+@", "//", words)
    words = re.sub(r"^\W*error:?\W*|^\W*[xX]\s+", "", " ".join(words.split()))
    words = words.rstrip(". ")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."
