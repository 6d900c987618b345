# SPDX-License-Identifier: Apache-2.0
"""Writes the outputs of a run to the file that was asked for, before the run calls itself done: whoever waits for it finds the file whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import D4pyError, UsageError
from d4py.runs import Folder, State
from d4py.runs.outputs import Outputs, write_lines

if TYPE_CHECKING:
    from d4py.cli.stdout import Stdout
    from d4py.plan import Plan
    from d4py.runs.board import Board


def checked(text: str) -> Path:
    """Return the path of an output file. Raises UsageError where it can't be written, before anything has run."""
    path = Path(text).absolute()
    hint = "Choose another with --output."
    if path.exists() and not path.is_dir() and not path.is_file():
        return path  # a device or a pipe
    if path.is_dir():
        raise UsageError(f"The output file {text!r} is a folder.", hint=hint)
    if not path.parent.is_dir():
        raise UsageError(
            f"The output file {text!r} is in a folder that does not exist.",
            hint=f"Make it first: mkdir -p {path.parent}.",
        )
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"The output file {text!r} is in a folder that you may not write to.", hint=hint)
    return path


class Delivery:
    """An observer. What went wrong is kept in `error`: the run itself is as good without the file."""

    def __init__(self, folder: Path, path: Path, stdout: Stdout) -> None:
        """stdout: what to give back before anything is written, for the file may be that."""
        self.folder = folder
        self.path = path
        self.stdout = stdout
        self.error: D4pyError | None = None

    def begin(self, plan: Plan, board: Board, state: State) -> None:
        """Note the file with the run, for a resume."""
        state.output = str(self.path)
        Folder(self.folder).write_state(state)

    def end(self) -> None:
        """Write what a run that came to its end gave."""
        folder = Folder(self.folder)
        commit = folder.last_commit()
        if commit is None or not commit.final:
            return
        self.stdout.give_back()
        try:
            write_lines(Outputs(folder), self.path)
        except D4pyError as error:
            self.error = error
