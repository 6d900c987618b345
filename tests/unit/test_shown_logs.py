# SPDX-License-Identifier: Apache-2.0
"""Lines of logs are printed so that what a PE prints meanwhile does not come between a line and its end."""

from __future__ import annotations

import io
import sys

import pytest

from d4py.cli.logs import show


class Written(io.StringIO):
    """A stream that keeps what it is given at a time, as one without a buffer passes it on."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


def test_a_line_is_printed_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    monkeypatch.setattr(sys, "stdout", written)

    show([("Square", "at 1"), ("Square", "at 2")], plain=True)

    assert written.pieces == ["Square | at 1\n", "Square | at 2\n"]
