# SPDX-License-Identifier: Apache-2.0
"""What the pages point at is there: links, modules, the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.conftest import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PLATFORM = ROOT / "platform" / "d4py"


def told(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    local = [link for link in links if not link.startswith(("https://", "http://"))]

    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|toml))`", page.read_text(encoding="utf-8"))
    allowed = {"tides/workflow.py", "tides/workflow.toml"}  # made by the page itself

    assert [
        name for name in named if name not in allowed and not any((at / name).exists() for at in (ROOT, PLATFORM))
    ] == []


def test_the_architecture_page_mirrors_the_tree() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = re.search(r"platform/d4py/\n(.*?)```", text, re.DOTALL)
    assert tree
    shown = {line.split()[0].rstrip("/") for line in tree[1].splitlines() if line.startswith("  ")}
    there = {path.name for path in PLATFORM.iterdir() if path.name[0] not in "_." and path.name != "py.typed"}

    assert shown == there


def test_the_picture_of_the_readme_is_small() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())

    assert [picture.name for picture in pictures] == ["record-section.png"]
    assert pictures[0].stat().st_size < 200_000
