# SPDX-License-Identifier: Apache-2.0
"""Columns and colours for text that people read; plain where no terminal shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
_OF_STATUS = {
    "done": GREEN,
    "failed": RED,
    "running": BOLD,
    "stopped": YELLOW,
    "cancelled": YELLOW,
    "lost": RED,
    "damaged": RED,
}


def coloured(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colours, and its user wants them."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Return text in a colour, where that is shown."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and coloured(stream or sys.stdout) else text


def painted_status(status: str, shown: str = "") -> str:
    """Return a status in its colour."""
    return paint(shown or status, _OF_STATUS.get(status, ""))


def table(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = (), status: int | None = None
) -> list[str]:
    """Return lines with aligned columns, the first line the heads. right: columns of numbers. status: the column to colour."""
    cells = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (list(heads), *cells)) for column in range(len(heads))]

    def padded(row: Sequence[str]) -> list[str]:
        return [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]

    lines = [paint("  ".join(padded(heads)).rstrip(), BOLD)]
    for row in cells:
        shown = padded(row)
        if status is not None:
            shown[status] = painted_status(row[status], shown[status])
        lines.append("  ".join(shown).rstrip())
    return lines


def lasting(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def number_of(count: int, noun: str) -> str:
    """Return `1 item`, `2 items`."""
    return f"{count:,} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith(("s", "x")) else f"{noun}s"


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
