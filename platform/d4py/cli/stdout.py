# SPDX-License-Identifier: Apache-2.0
"""Standard output, kept for what a command itself has to say where a machine reads it: what PEs print goes to stderr meanwhile."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType


class Stdout:
    """Puts stderr in the place of standard output, in workers and in programs that PEs start too."""

    def __init__(self, *, machine: bool = False, output: str | None = None) -> None:
        """machine: whether the command prints JSON. output: the file that the outputs of a run go to."""
        self.taken = output is not None and leads_to(output)  # outputs go here: a summary for people goes elsewhere
        self._wanted = machine or self.taken
        self._kept: int | None = None

    def __enter__(self) -> Stdout:  # noqa: PYI034 - Self is newer than the oldest Python here
        if self._wanted:
            sys.stdout.flush()
            self._kept = os.dup(1)
            os.dup2(2, 1)
        return self

    def give_back(self) -> None:
        """Let what is printed from now on go to standard output."""
        if self._kept is None:
            return
        sys.stdout.flush()
        os.dup2(self._kept, 1)
        os.close(self._kept)
        self._kept = None

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.give_back()


def leads_to(path: str) -> bool:
    """Whether a file is what standard output goes to, as /dev/stdout is."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(1))
    except (OSError, ValueError):
        return False
