# SPDX-License-Identifier: Apache-2.0
"""PEs that declare `merge()`: several instances hold partial states, and at the end the first takes in those of the others."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

from d4py.engine.keeping import pickled

if TYPE_CHECKING:
    from d4py.engine.circuit import Circuit
    from d4py.graph.pe import GenericPE
    from d4py.items import Frame


class Merging:
    """Partial states that have come, and an untouched twin of each PE to put them into."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.partials: dict[int, tuple[int, bytes]] = {}  # writer's rank -> reader's rank, state
        self._twins: dict[int, GenericPE] = {}
        for instance in circuit.instances:
            pe = circuit.pes[instance.rank]
            if hasattr(pe, "merge") and instance.of > 1 and instance.number == 0:
                self._twins[instance.rank] = _unwired(pe)

    def take(self, frame: Frame, rank: int) -> None:
        """Keep the partial states of a frame until the end."""
        for writer, state in frame.items:
            self.partials[writer] = (rank, state)

    def give(self, rank: int) -> bool:
        """Send an instance's state to the first of its PE, if it is one of the others; return whether it was."""
        lane = self.circuit.merging.get(rank)
        if lane is None:
            return False
        lane.buffer.append((rank, pickled(self.circuit.pes[rank])))
        return True

    def settle(self, rank: int) -> None:
        """Merge what came for an instance into it, in the order of the writers."""
        for writer in sorted(self.partials):
            reader, state = self.partials[writer]
            if reader == rank:
                other = copy.deepcopy(self._twins[rank])
                other.restore(pickle.loads(state))
                self.circuit.pes[rank].merge(other)  # type: ignore[attr-defined]


def _unwired(pe: GenericPE) -> GenericPE:
    """Return a copy of a PE that has not begun, without what ties it to its cell."""
    twin = copy.copy(pe)
    for name in ("_emit", "_logger", "_empty"):
        twin.__dict__.pop(name, None)
    return copy.deepcopy(twin)
