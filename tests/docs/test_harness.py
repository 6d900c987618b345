# SPDX-License-Identifier: Apache-2.0
"""The pages are really tested: what differs is told, and what a page asks for is done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.docs.markdown import Block, agrees, blocks, commands
from tests.docs.shell import in_shell, surroundings
from tests.docs.test_pages import run_block

PAGE = """\
# A page

```console
$ echo one \\
  two
one two
$ exit_with() { return 3; }; exit_with
$ echo $?
3
```

<!-- not run: it would delete everything here -->
```console
$ rm -rf .
```

<!-- needs [seismology] -->

```python
# folder/a.py
x = 1
```
"""


@pytest.fixture
def page(tmp_path: Path) -> list[Block]:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return blocks(path)


def differing(block: Block, folder: Path) -> list[str]:
    environment = Path(sys.executable).parent.parent
    return list(run_block(block, environment, folder, folder))


def test_blocks_are_found_with_their_lines_and_what_their_comments_ask_for(page: list[Block]) -> None:
    assert [(block.language, block.line) for block in page] == [("console", 3), ("console", 13), ("python", 19)]
    assert [block.left_out for block in page] == [None, "it would delete everything here", None]
    assert [block.extra for block in page] == ["", "", "seismology"]
    assert page[2].file == "folder/a.py"


def test_commands_go_on_after_a_backslash_and_their_output_follows(page: list[Block]) -> None:
    assert [(command.text, command.shown) for command in commands(page[0])] == [
        ("echo one \\\n  two", "one two"),
        ("exit_with() { return 3; }; exit_with", ""),
        ("echo $?", "3"),
    ]


def test_a_page_that_tells_the_truth_differs_in_nothing(page: list[Block], tmp_path: Path) -> None:
    assert differing(page[0], tmp_path) == []
    assert differing(page[2], tmp_path) == []
    assert (tmp_path / "folder" / "a.py").read_text() == "# folder/a.py\nx = 1\n"


@pytest.mark.parametrize(
    ("language", "text", "told"),
    [
        ("console", "$ echo two\none\n", "shown:\none\nprinted:\ntwo"),
        ("console", "$ false\n", "exit code 1"),
        ("console", "$ exit 4\n", "exit code -1"),
        ("python", "raise SystemExit(5)\n", "exit code 5"),
        ("python", ">>> 1 + 1\n3\n", "Expected:"),
        ("python", "# broken.py\n1 +\n", "SyntaxError"),
    ],
)
def test_a_page_that_does_not_is_told_with_the_line(language: str, text: str, told: str, tmp_path: Path) -> None:
    (difference,) = differing(Block(language=language, text=text, line=7), tmp_path)

    assert difference.startswith(("line 7", "line 8"))
    assert told in difference


def test_dots_stand_for_anything_and_spaces_at_line_ends_for_nothing() -> None:
    assert agrees("done in ... s\n\nend", "done in 0.1 s  \n\nend\n")
    assert agrees("a\n...", "a\nb\nc")
    assert not agrees("done in ... s", "done in 0.1 minutes")
    assert not agrees("a", "a\nb")


def test_nothing_of_the_tests_surroundings_reaches_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    block = Block(language="console", text="$ echo $PYTHONPATH$XDG_STATE_HOME-$HOME\n", line=1)

    (ran,) = in_shell(commands(block), folder=tmp_path, variables=surroundings(tmp_path, tmp_path / "home"))

    assert ran.printed == f"-{tmp_path / 'home'}\n"
