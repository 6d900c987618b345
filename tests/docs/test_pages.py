# SPDX-License-Identifier: Apache-2.0
"""Every command and every program of the pages does what the page shows, in a fresh folder, with the installed wheel."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.conftest import ROOT, Environment
from tests.docs.markdown import RUN, Block, agrees, blocks, commands
from tests.docs.shell import in_shell, surroundings

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def told(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_block(block: Block, environment: Path, folder: Path, home: Path) -> Iterator[str]:
    """Run one block; yield what differs from the page."""
    variables = surroundings(environment, home)
    if block.file:
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        if path.suffix == ".py":
            how = ["-m", "d4py.compat"] if "from dispel4py" in block.text else []  # as the page says
            yield from run_python([*how, str(path)], block, folder, variables)
    elif block.language == "python" and ">>>" in block.text:
        session = folder / f"session-{block.line}.txt"
        session.write_text(block.text, encoding="utf-8")
        yield from run_python(["-m", "doctest", "-o", "ELLIPSIS", str(session)], block, folder, variables)
    elif block.language == "python":
        yield from run_python(["-c", block.text], block, folder, variables)
    elif block.language == "console":
        yield from run_console(block, folder, variables)


def run_python(arguments: list[str], block: Block, folder: Path, variables: dict[str, str]) -> Iterator[str]:
    ran = subprocess.run(
        [variables["PATH"].partition(":")[0] + "/python", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if ran.returncode:
        yield f"line {block.line}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}"


def run_console(block: Block, folder: Path, variables: dict[str, str]) -> Iterator[str]:
    listed = commands(block)
    ran = in_shell(listed, folder=folder, variables=variables)
    following = [command.text for command in listed[1:]] + [""]
    for command, result, after in zip(listed, ran, following, strict=True):
        if result.code and after != "echo $?":
            yield f"line {command.line}: $ {command.text}\nexit code {result.code}:\n{result.printed}"
        elif not agrees(command.shown, result.printed):
            yield f"line {command.line}: $ {command.text}\nshown:\n{command.shown}\nprinted:\n{result.printed}"


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_what_is_shown_is_what_comes_out(page: Path, environment: Environment, tmp_path: Path) -> None:
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()

    differing = [
        difference
        for block in blocks(page)
        if block.language in RUN and block.left_out is None
        for difference in run_block(block, environment(block.extra), folder, home)
    ]

    assert not differing, "\n\n".join(differing)


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    silent = [block.line for block in blocks(page) if block.left_out is not None and len(block.left_out.split()) < 4]
    unknown = [block.line for block in blocks(page) if block.comment and block.left_out is None and not block.extra]

    assert silent == []
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_every_block_has_a_language_that_is_run_or_is_plain_text(page: Path) -> None:
    assert [block.line for block in blocks(page) if block.language not in (*RUN, "text")] == []
