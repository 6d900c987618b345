# SPDX-License-Identifier: Apache-2.0
"""Lines at the bottom of a terminal that stay where they are, while all that anyone prints scrolls above them.

The terminal itself keeps them apart, by its scrolling region. So what PEs print needs no detour through this process: workers, their
libraries and programs that they start have the terminal itself, nothing is buffered, and nothing is lost however a process ends.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress

_SAVE, _RESTORE = "\x1b7", "\x1b8"  # where the cursor is, and its colours
_WHOLE = "\x1b[r"  # everything scrolls again
_DOWN = "\x1bD"  # one line down, in the same column; scrolls at the bottom
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[2K", "\x1b[J"
_LAPSE = (
    2.0  # seconds without a frame after which this may have been stopped, and something else have used the terminal
)
_LEFT = 5  # lines at least for what is printed
# Ends when its input does. Without a word on it this process was killed, and the terminal is to be put right.
_GUARD = "trap '' INT TERM HUP QUIT; read -r word || printf '\\0337\\033[r\\0338\\033[J'"


class Region:
    """Some lines at the bottom of the terminal behind a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._laid: tuple[int, int, int] | None = None  # columns and lines of the terminal, lines of this
        self._drawn = 0.0
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal. Raises OSError when it is gone."""
        return os.get_terminal_size(self._descriptor)

    @property
    def most(self) -> int:
        """How many lines can be had; none where the terminal is too small, or doesn't know its size."""
        lines = self.size.lines
        return max(0, lines - max(_LEFT, lines // 3))

    def draw(self, rows: list[str]) -> None:
        """Show lines, at most `most`, each no wider than the terminal; none while a shell has the terminal for other work."""
        if self._behind():
            self._write(self._cleared())
            self._laid = None
            return
        self._guard = self._guard or self._guarded()
        columns, lines = self.size
        laid, now = (columns, lines, len(rows)), time.monotonic()
        top = lines - len(rows)
        frame = ""
        if laid != self._laid or now > self._drawn + _LAPSE:
            frame = self._cleared() + f"{_DOWN * len(rows)}\x1b[{len(rows)}A{_SAVE}\x1b[1;{top}r{_RESTORE}"
            self._laid = laid
        self._drawn = now
        places = (f"\x1b[{top + number};1H\x1b[m{_CLEAR_LINE}{row}" for number, row in enumerate(rows, start=1))
        self._write(f"{frame}{_SAVE}{''.join(places)}{_RESTORE}")

    def close(self) -> None:
        """Give the lines back."""
        with suppress(OSError):
            columns, lines = self.size
            if self._laid and self._laid[:2] == (columns, lines):
                rows = (f"\x1b[{line};1H{_CLEAR_LINE}" for line in range(lines - self._laid[2] + 1, lines + 1))
                self._write(f"{_SAVE}{''.join(rows)}{_WHOLE}{_RESTORE}")
            else:
                self._write(self._cleared())
        if self._guard is not None:
            with suppress(BrokenPipeError):
                self._guard.communicate(b"done\n")

    def _behind(self) -> bool:
        """Whether this runs in the background of a shell."""
        try:
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        except OSError:  # no shell governs this terminal
            return False

    def _cleared(self) -> str:
        """Return what takes this away wherever it is: nothing but this can be below the cursor."""
        return f"{_SAVE}{_WHOLE}{_RESTORE}{_CLEAR_BELOW}" if self._laid else ""

    def _guarded(self) -> subprocess.Popen[bytes] | None:
        with suppress(OSError):  # a system that can start nothing more has other troubles
            return subprocess.Popen(["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, stdout=self._descriptor)
        return None

    def _write(self, text: str) -> None:
        """Write in one piece: the terminal lets nobody else write within it."""
        data = text.encode()
        while data:
            data = data[os.write(self._descriptor, data) :]
