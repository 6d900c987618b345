# SPDX-License-Identifier: Apache-2.0
"""Where a line of a log comes from, as it stands before the bar: the same on every target, printed and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import UsageError, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from d4py.plan import Plan

BAR = " |"


class Origin(NamedTuple):
    """An instance, or a process that logs for the whole run. rank: where an instance lives, in an MPI job."""

    name: str
    rank: int | None = None

    def __str__(self) -> str:
        return self.name if self.rank is None else f"{self.name}@{self.rank}"

    @classmethod
    def read(cls, line: str) -> Origin:
        """Return where a printed line comes from; what has no bar comes from nobody who is known."""
        label, bar, _ = line.partition(BAR)
        name, at, rank = label.rpartition("@")
        if not bar:
            return cls("")
        return cls(name, int(rank)) if at and rank.isascii() and rank.isdigit() else cls(label)


class Wanted(NamedTuple):
    """Which lines are wanted: those of these PEs or instances, and of this rank."""

    pes: Sequence[str] = ()
    rank: int | None = None

    @property
    def all(self) -> bool:
        """Whether every line is."""
        return not self.pes and self.rank is None

    def __contains__(self, origin: object) -> bool:
        assert isinstance(origin, Origin)
        if self.rank is not None and origin.rank != self.rank:
            return False
        return not self.pes or origin.name in self.pes or origin.name.partition("[")[0] in self.pes

    def check_pes(self, known: Collection[str]) -> None:
        """Raise UsageError where a PE is wanted that the run does not have."""
        for pe in self.pes:
            if pe not in known:
                raise UsageError(f"The run has no PE {pe!r}; it has {listed(known)}.", hint=did_you_mean(pe, known))

    def check_rank(self, mapping: str, ranks: int) -> None:
        """Raise UsageError where a rank is wanted that the run does not have."""
        if self.rank is None:
            return
        if mapping != "mpi":
            raise UsageError(f"The run has no ranks: its mapping is {mapping}.", hint="Leave --rank out.")
        if self.rank >= ranks:
            raise UsageError(f"The run has no rank {self.rank}; its ranks are 0 to {ranks - 1}.", hint="Name another.")


def ranks_of(plan: Plan) -> dict[str, int]:
    """Return where the instances of an MPI job live, by the names of their logs."""
    return {instance.label.replace("/", "_"): plan.cells[instance.cell].process for instance in plan.instances}
