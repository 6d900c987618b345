# SPDX-License-Identifier: Apache-2.0
"""What must never happen, made to happen once in a run: a frame lost, doubled or out of turn; an item or an output lost where no frame tells.

The workflow itself installs it, so that it is there in whichever process a mapping loads the workflow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from d4py.engine.cell import CellMachine
from d4py.engine.taking import Taking
from d4py.items import Frame, Kind
from d4py.runs.spool import Spool

_undo: list[Callable[[], None]] = []


class Victim(NamedTuple):
    """Which frame it happens to: the first of a kind on the channels that a reader of the graph's first or last PEs has."""

    kind: Kind
    last: bool
    mark: Path

    def of_mine(self, machine: CellMachine) -> bool:
        """Whether a cell reads such a channel: the first have the lowest numbers; of the last nobody reads on."""
        return not machine.outlets if self.last else 0 in machine.inlets

    def chosen(self, machine: CellMachine, frame: Frame) -> bool:
        """Whether it happens now. The first frame of items comes before there is anything to overtake; the last channel has no other."""
        late = frame.kind is not Kind.DATA or self.last or frame.number > 0
        return frame.kind is self.kind and late and self.of_mine(machine) and _first(self.mark)


def install(what: str, scratch: str) -> None:
    """Arrange for `what` to happen once among all processes that see the folder: a key of OTHERS, or one of FRAMES with a kind of frame and a place."""
    undo()
    mark = Path(scratch) / "tampered"
    name, *about = what.split()
    if name in OTHERS:
        OTHERS[name](mark)
        return
    kind, place = about
    victim = Victim(Kind[kind.upper()], place == "last", mark)
    arrive = CellMachine.arrive
    _replaced(CellMachine, "arrive", FRAMES[name](victim, arrive))


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


Arrive = Callable[[CellMachine, Frame], None]


def _drop(victim: Victim, arrive: Arrive) -> Arrive:
    """A frame is lost on its way."""

    def lossy(machine: CellMachine, frame: Frame) -> None:
        if not victim.chosen(machine, frame):
            arrive(machine, frame)

    return lossy


def _forget(victim: Victim, arrive: Arrive) -> Arrive:
    """A frame is lost, and the next has its number."""

    def forgetful(machine: CellMachine, frame: Frame) -> None:
        if victim.chosen(machine, frame):
            machine.inlets[frame.channel].expected += 1
        else:
            arrive(machine, frame)

    return forgetful


def _double(victim: Victim, arrive: Arrive) -> Arrive:
    """A frame comes twice."""

    def doubling(machine: CellMachine, frame: Frame) -> None:
        arrive(machine, frame)
        if victim.chosen(machine, frame):
            arrive(machine, frame)

    return doubling


def _reorder(victim: Victim, arrive: Arrive) -> Arrive:
    """A frame is overtaken by the next of its channel; an end mark, after which nothing comes, overtakes the one before it."""
    held: dict[tuple[int, int], Frame] = {}

    def unsteady(machine: CellMachine, frame: Frame) -> None:
        key = id(machine), frame.channel
        late = held.pop(key, None)
        if late is not None and (victim.kind is not Kind.END or victim.chosen(machine, frame)):
            arrive(machine, frame)
            arrive(machine, late)
            return
        if late is not None:
            arrive(machine, late)
        before_end = victim.kind is Kind.END and frame.kind is Kind.DATA and victim.of_mine(machine)
        if (before_end and not victim.mark.exists()) or (victim.kind is not Kind.END and victim.chosen(machine, frame)):
            held[key] = frame
            # It is not acknowledged while it is held. A reader that has grown slow would leave its writer no room for the frame that is to overtake it.
            inlet = machine.inlets[frame.channel]
            inlet.granted = max(inlet.granted, frame.first + len(frame.items) + inlet.window)
        else:
            arrive(machine, frame)

    return unsteady


def _mislay(mark: Path) -> None:
    """An item is lost between its frame and its PE."""
    items = Taking._each

    def careless(taking: Taking, frame: Frame, *rest: Any) -> None:
        whole = frame.items
        if _first(mark):
            frame.items = whole[1:]
        items(taking, frame, *rest)
        frame.items = whole

    _replaced(Taking, "_each", careless)


def _unspool(mark: Path) -> None:
    """An output is lost on its way to the disk."""
    append = Spool.append

    def leaky(spool: Spool, rank: int, name: str, value: Any) -> None:
        if not _first(mark):
            append(spool, rank, name, value)

    _replaced(Spool, "append", leaky)


FRAMES: dict[str, Callable[[Victim, Arrive], Arrive]] = {
    "drop": _drop,
    "forget": _forget,
    "double": _double,
    "reorder": _reorder,
}
OTHERS: dict[str, Callable[[Path], None]] = {"mislay": _mislay, "unspool": _unspool}
