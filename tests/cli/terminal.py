# SPDX-License-Identifier: Apache-2.0
"""A terminal for tests: programs are run on it, and what it shows is read as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping

from tests.cli.conftest import command, environment

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[78D]")
_TOKEN = re.compile(
    r"\x1b\[(?P<numbers>[0-9;?]*)(?P<order>[A-Za-z])|\x1b(?P<short>[78D])|(?P<control>[\r\n])|(?P<text>[^\x1b\r\n]+)"
)


class Screen:
    """What a terminal shows, as its standards say: a scrolling region, a place that is kept, lines that wrap."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.gone: list[str] = []  # lines that have scrolled out at the top
        self.rows = [""] * lines
        self.seen: list[list[str]] = []  # the rows, each time that a place was gone back to
        self.line = self.column = 0
        self._kept = (0, 0)
        self._bottom = lines - 1

    @property
    def text(self) -> list[str]:
        """All lines that there have been, as scrolling back would show them."""
        return [row.rstrip() for row in (*self.gone, *self.rows)]

    def feed(self, data: str) -> None:
        """Take what a program writes."""
        at = 0
        while at < len(data):
            token = _TOKEN.match(data, at)
            assert token is not None, f"this terminal does not know {data[at : at + 12]!r}"
            at = token.end()
            if token["text"]:
                self._put(token["text"])
            elif token["order"]:
                self._obey(token["order"], [int(number or 0) for number in token["numbers"].strip("?").split(";")])
            elif token["control"] == "\r":
                self.column = 0
            elif token["short"] == "7":
                self._kept = (self.line, self.column)
            elif token["short"] == "8":
                self.line, self.column = self._kept
                self.seen.append(list(self.rows))
            else:
                self._down()

    def _down(self) -> None:
        if self.line == self._bottom:
            self.gone.append(self.rows.pop(0))
            self.rows.insert(self._bottom, "")
        else:
            self.line = min(self.lines - 1, self.line + 1)

    def _put(self, text: str) -> None:
        for letter in text:
            if self.column == self.columns:
                self.column = 0
                self._down()
            row = self.rows[self.line].ljust(self.columns)
            self.rows[self.line] = (row[: self.column] + letter + row[self.column + 1 :]).rstrip()
            self.column += 1

    def _obey(self, order: str, numbers: list[int]) -> None:
        if order == "A":
            self.line = max(0, self.line - (numbers[0] or 1))
        elif order == "H":
            self.line, self.column = numbers[0] - 1, numbers[1] - 1
        elif order == "J":
            self.rows[self.line] = self.rows[self.line][: self.column]
            self.rows[self.line + 1 :] = [""] * (self.lines - self.line - 1)
        elif order == "K":
            assert numbers == [2]
            self.rows[self.line] = ""
        elif order == "r":
            self._bottom = (numbers[1] if len(numbers) > 1 else self.lines) - 1
            self.line = self.column = 0
        else:
            assert order == "m", f"this terminal does not know {order}"


def on_a_terminal(
    line: str,
    *,
    size: tuple[int, int] = (100, 30),
    act: Callable[[subprocess.Popen[bytes], str], None] | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run the program with a terminal as its stdout and stderr; return its exit code and all that it wrote. act: called at each new piece."""
    ours, theirs = pty.openpty()
    columns, lines = size
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        command(line), stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**(more or {}))
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        drawn += data
        if act is not None:
            act(process, drawn.decode(errors="replace"))
    os.close(ours)
    return process.wait(), drawn.decode()
