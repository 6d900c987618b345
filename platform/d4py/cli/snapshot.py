# SPDX-License-Identifier: Apache-2.0
"""`d4py snapshot`: make a checkpoint now; the run goes on."""

from __future__ import annotations

from d4py.cli.asking import add_patience, asked, epoch_of
from d4py.cli.parser import Namespace, Parser, add_run
from d4py.errors import StateError
from d4py.runs import Status, find
from d4py.runs.sweep import Sweep
from d4py.targets.find import look_at, target_of

ABOUT = "Make a checkpoint now. The run goes on."
_NONE = "This run takes no checkpoints"


def options(parser: Parser) -> None:
    """Take a run."""
    add_run(parser)
    add_patience(parser)


def call(args: Namespace) -> int:
    """Ask, and say what came of it."""
    folder = find(args.run)
    if isinstance(folder, Sweep):
        folder.description()  # says that it has no checkpoints of its own
    for warning in folder.state().warnings:
        if warning.startswith(_NONE):
            raise StateError(warning, hint="Then run it anew.")
    if target_of(folder) is not None and (state := look_at(folder)()).status is Status.QUEUED:
        raise StateError(f"The run {state.run!r} waits for its job, and does nothing that could be kept.", hint="Wait.")
    before = epoch_of(folder)
    return asked(
        "snapshot", args, what="asked for a checkpoint", effect=lambda folder, _state: epoch_of(folder) > before
    )
