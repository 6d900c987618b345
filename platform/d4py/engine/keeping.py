# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint keeps of the PEs of a cell, and how they get it back."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Protocol, TypeGuard

from d4py.errors import NotPicklable
from d4py.graph.pe import GenericPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.engine.circuit import Circuit
    from d4py.engine.link import Part
    from d4py.engine.source import Source


class Sink(Protocol):
    """What a PE offers that lets go what it wrote only when a checkpoint covers it."""

    id: str | None

    def commit(self, epoch: int) -> None:
        """Let go what was prepared up to an epoch; doing so again does nothing."""


def commits(pe: object) -> TypeGuard[Sink]:
    """Whether a PE lets go what it wrote only when a checkpoint covers it."""
    return hasattr(pe, "commit")


def states(circuit: Circuit, sources: Sequence[Source] = (), *, finished: bool = False) -> dict[int, bytes]:
    """Return the state of each PE that has one, by rank. Raises NotPicklable, naming PE and attribute.

    Of a cell that has finished only what its sinks have yet to commit is kept.
    """
    before_call = {source.instance.rank: source.state() for source in sources}
    found = {}
    for rank, pe in circuit.pes.items():
        if (finished or _stateless(pe)) and not commits(pe):
            continue
        try:
            found[rank] = before_call.get(rank) or pickled(pe)
        except NotPicklable as error:
            raise NotPicklable(f"PE {pe.id!r}: {error.message}", hint=error.hint) from None
    return found


def _stateless(pe: GenericPE) -> bool:
    return pe.stateless and type(pe).snapshot is GenericPE.snapshot


def restore(circuit: Circuit, part: Part) -> None:
    """Give PEs and counts back what a part keeps of them."""
    for rank, state in part.states.items():
        circuit.pes[rank].restore(pickle.loads(state))
    for rank, counts in part.counts.items():
        circuit.counts[rank].restore(counts)


def pickled(pe: GenericPE) -> bytes:
    """Return a PE's state; raise NotPicklable naming the attribute that can't be kept."""
    try:
        state = pe.snapshot()
    except Exception as error:
        raise NotPicklable(f"its snapshot() raised {type(error).__name__}: {error}.") from error
    try:
        return pickle.dumps(state, protocol=5)
    except Exception as whole:
        for name, value in state.items() if isinstance(state, dict) else ():
            try:
                pickle.dumps(value, protocol=5)
            except Exception as error:
                raise NotPicklable(
                    f"attribute {name!r} cannot be pickled ({error}).",
                    hint=f"Leave it out with pickleIgnore = [{name!r}], and make it in preprocess.",
                ) from None
        raise NotPicklable(f"its state cannot be pickled ({whole}).") from whole
