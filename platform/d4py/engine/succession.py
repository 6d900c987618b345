# SPDX-License-Identifier: Apache-2.0
"""How a stateless cell works so that another can take its place alone, and how that one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.engine.estate import BEGIN
from d4py.engine.keeping import commits
from d4py.engine.settlement import BEFORE, READY, Settlement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d4py.engine.circuit import Circuit
    from d4py.engine.cutter import Cutter
    from d4py.engine.deposits import Deposits
    from d4py.engine.estate import Cause, Estate
    from d4py.engine.link import Link
    from d4py.graph.pe import GenericPE
    from d4py.plan.plan import Plan


class Lasting:
    """Of a cell whose death takes the run back: nothing is to be done."""

    def begin(self) -> bool:
        """Before preprocess; return whether what it writes is to be sent."""
        return True

    def ready(self) -> None:
        """After preprocess, when a checkpoint's counts are restored."""

    def cause(self, cause: Cause) -> None:
        """What is written from here on has this cause."""

    def settle(self, place: Cause) -> None:
        """Make sure that all a frame caused outlives this process. It is acknowledged next."""

    def drain(self) -> None:
        """Make sure of what was sent."""


class Succession(Lasting):
    """Frame by frame: all that a frame caused is sent and entered before it is acknowledged, and only then anything of another is sent."""

    def __init__(
        self,
        circuit: Circuit,
        cutter: Cutter,
        link: Link,
        deposits: Deposits,
        generation: int,
        estate: Estate | None,
    ) -> None:
        """estate: of the predecessor, if there was one."""
        self._lanes = circuit.lanes
        self._cutter = cutter
        self._link = link
        self._deposits = deposits
        self._settlement = Settlement(
            link.ledger, generation, list(circuit.counts.values()), (link.outputs, link.quarantine)
        )
        self._settled = self._settlement.found(estate.heads) if estate is not None else None
        if estate is not None and estate.doubt is not None:
            for lane in self._lanes:
                lane.inherit(estate.doubt, estate.had)

    def begin(self) -> bool:
        if self._settled is not None and self._settled.place != BEFORE:
            return False
        if self._settled is not None:
            self._settlement.take(self._settled)
            self._settled = None
        else:
            self._settlement.enter(BEFORE)
        self.cause(BEGIN)
        return True

    def ready(self) -> None:
        self._cutter.flush()
        if self._settled is not None:
            self._settlement.take(self._settled)
        else:
            self.settle(READY)

    def cause(self, cause: Cause) -> None:
        for lane in self._lanes:
            lane.begin(cause)

    def settle(self, place: Cause) -> None:
        self.drain()
        self._deposits.flush()
        self._settlement.enter(place)

    def drain(self) -> None:
        self._link.drain()


def replaceable(plan: Plan, pes: Mapping[int, GenericPE]) -> frozenset[int]:
    """Return the processes whose cells can be replaced when they die. pes: by rank, of all or of one process.

    Their PEs are stateless, none is a source, none lets go what a checkpoint covers, and no channel stays inside.
    """
    lasting = {channel.writer_cell for channel in plan.channels if plan.routes[channel.route].grouping == "merge"}
    lasting |= {channel.reader_cell for channel in plan.channels if plan.routes[channel.route].grouping == "merge"}
    lasting |= {plan.instances[rank].cell for rank, pe in pes.items() if commits(pe) or pe.undeclared_ports}
    fed = {channel.reader_cell for channel in plan.channels}
    inside = {
        plan.cells[channel.reader_cell].process
        for channel in plan.channels
        if plan.cells[channel.reader_cell].process == plan.cells[channel.writer_cell].process
    }
    unfit = {
        cell.process
        for cell in plan.cells
        if not cell.stateless or cell.source or cell.index in lasting or cell.index not in fed
    }
    return frozenset(cell.process for cell in plan.cells) - unfit - inside
