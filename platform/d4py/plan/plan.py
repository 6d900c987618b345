# SPDX-License-Identifier: Apache-2.0
"""The plan: instances of PEs, cells of fused instances, the routes between them, and where each cell lives.

Frozen at the first start and kept with the run; it prints as JSON and is read back from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d4py.plan.channels import Channel, Channels

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 2
PARTITIONS = 256  # of the keys of a group-by; a keyed PE can have at most as many instances


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
        ranks = {
            instance.pe: range(instance.rank, instance.rank + instance.of) for instance in reversed(self.instances)
        }
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
        """Return plain data for JSON."""
        return {
            "version": self.version,
            "processes": self.processes,
            "instances": [_fields(instance) for instance in self.instances],
            "cells": [_fields(cell) for cell in self.cells],
            "routes": [_fields(route) for route in self.routes],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read back what `to_json` gave."""
        return cls(
            version=data["version"],
            processes=data["processes"],
            instances=tuple(Instance(**entry) for entry in data["instances"]),
            cells=tuple(Cell(**{**entry, "instances": tuple(entry["instances"])}) for entry in data["cells"]),
            routes=tuple(Route(**{**entry, "key": tuple(entry["key"])}) for entry in data["routes"]),
            notes=tuple(data["notes"]),
        )


def _fields(entry: Instance | Cell | Route) -> dict[str, Any]:
    """Return the fields of an entry, of which none holds others; `asdict` takes ten times as long to find that out."""
    return {name: getattr(entry, name) for name in entry.__slots__}
