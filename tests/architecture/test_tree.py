# SPDX-License-Identifier: Apache-2.0
"""What must be in the checkout, and what must not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# The pieces are joined here so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
PRIVATE = re.compile(
    "|".join(
        [
            r"(?<![\w.])/wo" + "rk/",
            "/tmp/" + "brief",
            "/opt/" + "wheels",
            r"\.py" + "env",
            r"\bissue #?\d",
            "issues " + "show",
        ]
    )
)
BINARY = {".gz", ".tgz", ".ico", ".jpg", ".mseed", ".npy", ".npz", ".pdf", ".png", ".svg", ".zip"}


@pytest.mark.parametrize("words", [UNFINISHED, PRIVATE], ids=["work left undone", "a place that only one machine has"])
def test_no_file_speaks_of(words: re.Pattern[str], root: Path, files: list[Path]) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in files
        if path.suffix not in BINARY
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]

    assert found == []


def test_the_source_root_is_no_package(root: Path) -> None:
    """An __init__.py there, or a folder tests/platform, would be imported in place of the standard library's `platform`."""
    assert not (root / "platform" / "__init__.py").exists()
    assert not (root / "tests" / "platform").exists()


def test_the_standard_librarys_platform_wins_over_the_folder(root: Path) -> None:
    where = subprocess.check_output(
        [sys.executable, "-c", "import platform; print(platform.__file__)"], cwd=root, text=True
    )

    assert not Path(where.strip()).is_relative_to(root / "platform")


def test_no_file_is_larger_than_a_megabyte(root: Path, files: list[Path]) -> None:
    """Data is fetched and generated, not committed."""
    assert [str(path.relative_to(root)) for path in files if path.stat().st_size > 1 << 20] == []


def test_every_decision_is_in_the_index(root: Path) -> None:
    decisions = root / "docs" / "decisions"
    pages = sorted(page.name for page in decisions.glob("[0-9]*.md"))
    index = (decisions / "README.md").read_text()

    assert pages
    assert [page for page in pages if f"({page})" not in index] == []
    assert [page for page in re.findall(r"\((\d{4}-[\w-]+\.md)\)", index) if page not in pages] == []
