# SPDX-License-Identifier: Apache-2.0
"""The plan: instances of PEs, cells of fused instances, the routes between them, and where each cell lives.

Frozen at the first start and kept with the run; it prints as JSON and is read back from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from d4py.plan.channels import Channel, Channels

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 3
PARTITIONS = 256  # of the keys of a group-by; a keyed PE can have at most as many instances


class Instance(NamedTuple):  # there may be a million: a frozen dataclass takes five times as long to make
    """One running copy of a PE: number `number` of `of`. `rank` is unique in the plan."""

    rank: int
    pe: str
    number: int
    of: int
    cell: int

    @property
    def label(self) -> str:
        """How messages and logs name it."""
        return self.pe if self.of == 1 else f"{self.pe}[{self.number}]"


@dataclass(slots=True)  # not frozen, for the same reason
class Cell:
    """Instances that run as one, depth first: what has a thread, a state and a part in each checkpoint.

    Instances are in the order of the graph, writers first. A cell with roots is a source, unless something feeds it.
    """

    index: int
    instances: tuple[int, ...]
    process: int
    stateless: bool
    source: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One connection of the graph: how its items find an instance. `fused` where writer and reader are in one cell."""

    index: int
    writer: str
    output: str
    reader: str
    input: str
    grouping: str  # "shuffle", "key", "global", "all", or "merge" (partial states to the first instance)
    key: tuple[Any, ...] = ()
    fused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What runs where. Instances of one PE have ranks in a row."""

    version: int
    processes: int
    instances: tuple[Instance, ...]
    cells: tuple[Cell, ...]
    routes: tuple[Route, ...]
    notes: tuple[str, ...] = ()
    channels: Channels = field(init=False, repr=False, compare=False)
    _ranks: dict[str, range] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", Channels(self.instances, self.routes))
        ranks = {first.pe: range(first.rank, first.rank + first.of) for first in self.instances if first.number == 0}
        object.__setattr__(self, "_ranks", ranks)

    def instances_of(self, pe: str) -> tuple[Instance, ...]:
        """Return the instances of a PE, by number."""
        return tuple([self.instances[rank] for rank in self._ranks.get(pe, ())])

    def channels_to(self, cell: int) -> tuple[Channel, ...]:
        """Return the channels that a cell reads."""
        found = [channel for rank in self.cells[cell].instances for channel in self.channels.to(rank)]
        return tuple(sorted(found, key=lambda channel: channel.index))

    def channels_from(self, cell: int) -> tuple[Channel, ...]:
        """Return the channels that a cell writes."""
        found = [channel for rank in self.cells[cell].instances for channel in self.channels.of(rank)]
        return tuple(sorted(found, key=lambda channel: channel.index))

    def cells_of(self, process: int) -> tuple[Cell, ...]:
        """Return the cells that live in a process."""
        return tuple(cell for cell in self.cells if cell.process == process)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON: PE by PE the cells of its instances, and the fields of cells as columns."""
        return {
            "version": self.version,
            "processes": self.processes,
            "pes": [
                {"pe": pe, "instances": len(ranks), "cells": [self.instances[rank].cell for rank in ranks]}
                for pe, ranks in self._ranks.items()
            ],
            "cells": {
                "process": [cell.process for cell in self.cells],
                "stateless": [cell.stateless for cell in self.cells],
                "source": [cell.source for cell in self.cells],
            },
            "routes": [_fields(route) for route in self.routes],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read back what `to_json` gave."""
        instances: list[Instance] = []
        members: list[list[int]] = [[] for _ in data["cells"]["process"]]
        for entry in data["pes"]:
            for number, cell in enumerate(entry["cells"]):
                members[cell].append(len(instances))
                instances.append(Instance(len(instances), entry["pe"], number, len(entry["cells"]), cell))
        if not all(members):
            raise ValueError("a cell has no instances")
        columns = (data["cells"][name] for name in ("process", "stateless", "source"))
        return cls(
            version=data["version"],
            processes=data["processes"],
            instances=tuple(instances),
            cells=tuple(
                Cell(index, tuple(ranks), *fields)
                for index, (ranks, *fields) in enumerate(zip(members, *columns, strict=True))
            ),
            routes=tuple(Route(**{**entry, "key": tuple(entry["key"])}) for entry in data["routes"]),
            notes=tuple(data["notes"]),
        )


def _fields(route: Route) -> dict[str, Any]:
    return {name: getattr(route, name) for name in route.__slots__}
