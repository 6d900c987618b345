# SPDX-License-Identifier: Apache-2.0
"""Fenced blocks of a page, with what the comments before them ask for.

`<!-- not run: REASON -->` leaves a block out; `<!-- needs [seismology] -->` asks for an extra. A first line `# name.py` (or .toml, .csv, .json, .yaml) makes
a file of the block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RUN = ("console", "python", "toml", "yaml")
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>[\w-]*)\s*$")
_COMMENT = re.compile(r"^<!--\s*(?P<text>.*?)\s*-->$")
_FILE = re.compile(r"^# (?P<name>[\w./-]+\.(?:py|toml|csv|json|yaml))$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, the line it starts at, the comment before it."""

    language: str
    text: str
    line: int
    comment: str = ""

    @property
    def file(self) -> str:
        """The name of the file that the block is, if it is one."""
        found = _FILE.match(self.text.partition("\n")[0])
        return found["name"] if found else ""

    @property
    def left_out(self) -> str | None:
        """The reason why the block is not run, None where it is."""
        return self.comment.removeprefix("not run:").strip() if self.comment.startswith("not run") else None

    @property
    def extra(self) -> str:
        """The extra that the block needs."""
        found = re.fullmatch(r"needs \[(\w+)\]", self.comment)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a console block and the lines shown after it."""

    text: str
    shown: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found: list[Block] = []
    comment, fence, language, begin = "", "", "", 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence:
            if line.strip() == fence:
                found.append(Block(language=language, text="\n".join(lines) + "\n", line=begin, comment=comment))
                comment, fence = "", ""
            else:
                lines.append(line)
        elif opened := _FENCE.match(line):
            fence, language, begin, lines = opened["fence"], opened["language"], number, []
        elif told := _COMMENT.match(line):
            comment = told["text"]
        elif line.strip():
            comment = ""
    assert not fence, f"{page}: the block of line {begin} is not closed"
    return found


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block: lines that begin with `$ `, and those that go on after a backslash."""
    found: list[Command] = []
    text, begin = "", 0
    shown: list[str] = []

    def close() -> None:
        if text:
            found.append(Command(text=text, shown="\n".join(shown), line=begin))

    goes_on = False
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if goes_on:
            text += "\n" + line
        elif line.startswith("$ "):
            close()
            text, shown, begin = line[2:], [], number
        else:
            shown.append(line)
            continue
        goes_on = line.endswith("\\")
    close()
    return found


def agrees(shown: str, printed: str) -> bool:
    """Return whether what a page shows is what was printed; `...` stands for anything, spaces at line ends for nothing."""
    pattern = ".*?".join(re.escape(part) for part in _stripped(shown).split("..."))
    return re.fullmatch(pattern, _stripped(printed), re.DOTALL) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
