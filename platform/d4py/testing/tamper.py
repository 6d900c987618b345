# SPDX-License-Identifier: Apache-2.0
"""What must never happen, made to happen once in a run: a frame lost, doubled or out of turn; an item or an output lost where no frame tells.

The workflow itself installs it, so that it is there in whichever process a mapping loads the workflow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from d4py.engine.cell import CellMachine
from d4py.engine.runner import Runner
from d4py.items import Frame, Kind
from d4py.runs.spool import Spool

_FROM = 1  # the first frames come before there is anything to overtake

_undo: list[Callable[[], None]] = []


def install(kind: str, scratch: str) -> None:
    """Arrange for `kind` (a key of KINDS) to happen once among all processes that see the folder."""
    undo()
    KINDS[kind](Path(scratch) / "tampered")


def undo() -> None:
    """Let this process work as it should again."""
    while _undo:
        _undo.pop()()


def _replaced(owner: type, name: str, method: Any) -> None:
    before = owner.__dict__[name]
    setattr(owner, name, method)
    _undo.append(lambda: setattr(owner, name, before))


def _first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _drop(mark: Path) -> None:
    """A frame is lost on its way."""
    arrive = CellMachine.arrive

    def lossy(machine: CellMachine, frame: Frame) -> None:
        if not (_chosen(frame) and _first(mark)):
            arrive(machine, frame)

    _replaced(CellMachine, "arrive", lossy)


def _forget(mark: Path) -> None:
    """A frame is lost, and the next has its number."""
    arrive = CellMachine.arrive

    def forgetful(machine: CellMachine, frame: Frame) -> None:
        if _chosen(frame) and _first(mark):
            machine.inlets[frame.channel].expected += 1
        else:
            arrive(machine, frame)

    _replaced(CellMachine, "arrive", forgetful)


def _double(mark: Path) -> None:
    """A frame comes twice."""
    arrive = CellMachine.arrive

    def doubling(machine: CellMachine, frame: Frame) -> None:
        arrive(machine, frame)
        if _chosen(frame) and _first(mark):
            arrive(machine, frame)

    _replaced(CellMachine, "arrive", doubling)


def _reorder(mark: Path) -> None:
    """A frame is overtaken by the next of its channel."""
    arrive = CellMachine.arrive
    held: dict[tuple[int, int], Frame] = {}

    def unsteady(machine: CellMachine, frame: Frame) -> None:
        key = id(machine), frame.channel
        if key in held:
            late = held.pop(key)
            arrive(machine, frame)
            arrive(machine, late)
        elif _chosen(frame) and _first(mark):
            held[key] = frame
        else:
            arrive(machine, frame)

    _replaced(CellMachine, "arrive", unsteady)


def _mislay(mark: Path) -> None:
    """An item is lost between its frame and its PE."""
    items = Runner._items

    def careless(runner: Runner, frame: Frame, rank: int, port: str) -> None:
        whole = frame.items
        if _first(mark):
            frame.items = whole[1:]
        items(runner, frame, rank, port)
        frame.items = whole

    _replaced(Runner, "_items", careless)


def _unspool(mark: Path) -> None:
    """An output is lost on its way to the disk."""
    append = Spool.append

    def leaky(spool: Spool, rank: int, name: str, value: Any) -> None:
        if not _first(mark):
            append(spool, rank, name, value)

    _replaced(Spool, "append", leaky)


def _chosen(frame: Frame) -> bool:
    return frame.kind is Kind.DATA and frame.number >= _FROM


KINDS: dict[str, Callable[[Path], None]] = {
    "drop": _drop,
    "forget": _forget,
    "double": _double,
    "reorder": _reorder,
    "mislay": _mislay,
    "unspool": _unspool,
}
