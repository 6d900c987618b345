# SPDX-License-Identifier: Apache-2.0
"""The checkout as the architecture tests look at it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("platform", "operators", "workflows", "bench", "scripts", "tests")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Every file of the project: what git keeps or would keep."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True
    )
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


@pytest.fixture(scope="session")
def modules(files: list[Path]) -> list[Path]:
    """Every Python module of the project."""
    found = [path for path in files if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE]
    assert found
    return found
