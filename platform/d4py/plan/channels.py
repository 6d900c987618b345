# SPDX-License-Identifier: Apache-2.0
"""The channels of a plan, computed: there are as many as pairs of instances, so no list of them is made or kept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from d4py.plan.plan import Instance, Route


_FEW = 1 << 17  # channels, of which a list is kept once it was made


@dataclass(slots=True)  # not frozen: that would take three times as long to make
class Channel:
    """Items of one route from one instance to another, in order. Writers and readers by rank."""

    index: int
    route: int
    writer: int
    reader: int
    writer_cell: int
    reader_cell: int


@dataclass(frozen=True, slots=True)
class _Block:
    """The channels of one route: writer by writer, and of each writer reader by reader."""

    start: int  # index of the first
    route: int
    writer: int  # rank of the first writer
    writers: int
    reader: int  # rank of the first reader
    readers: int


class Channels(Sequence[Channel]):
    """All channels of a plan by index, made when they are asked for: an index tells route, writer and reader."""

    def __init__(self, instances: Sequence[Instance], routes: Sequence[Route]) -> None:
        """instances: those of one PE have ranks in a row."""
        self._instances, self._routes = instances, routes
        self._blocks: list[_Block] = []
        self._number = 0
        first: dict[str, Instance] = {}
        for instance in instances:
            first.setdefault(instance.pe, instance)
        for route in routes:
            if not route.fused:
                self._add(route, first[route.writer], first[route.reader])
        self._starts = [block.start for block in self._blocks]
        self._listed: tuple[Channel, ...] | None = None

    def _add(self, route: Route, writer: Instance, reader: Instance) -> None:
        merging = route.grouping == "merge"  # all instances but the first write to the first
        writers = writer.of - merging
        readers = 1 if merging or route.grouping == "global" else reader.of
        self._blocks.append(_Block(self._number, route.index, writer.rank + merging, writers, reader.rank, readers))
        self._number += writers * readers

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[Channel]:
        if self._listed is None and self._number <= _FEW:
            self._listed = tuple(self._all())
        return self._all() if self._listed is None else iter(self._listed)

    def _all(self) -> Iterator[Channel]:
        for block in self._blocks:
            for writer in range(block.writers):
                yield from self._row(block, writer)

    @overload
    def __getitem__(self, index: int) -> Channel: ...

    @overload
    def __getitem__(self, index: slice) -> list[Channel]: ...

    def __getitem__(self, index: int | slice) -> Channel | list[Channel]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < self._number:
            raise IndexError(f"There is no channel {index} of {self._number}.")
        block = self._blocks[bisect_right(self._starts, index) - 1]
        return self._channel(block, *divmod(index - block.start, block.readers))

    def to(self, rank: int) -> Iterator[Channel]:
        """Yield the channels that an instance reads."""
        for block in self._blocks:
            if 0 <= (reader := rank - block.reader) < block.readers:
                for writer in range(block.writers):
                    yield self._channel(block, writer, reader)

    def of(self, rank: int, route: int | None = None) -> Iterator[Channel]:
        """Yield the channels that an instance writes: those of one route, or all."""
        for block in self._blocks:
            if route in (None, block.route) and 0 <= (writer := rank - block.writer) < block.writers:
                yield from self._row(block, writer)

    def degree(self, rank: int) -> int:
        """Return how many channels an instance reads and writes."""
        reads = sum(block.writers for block in self._blocks if 0 <= rank - block.reader < block.readers)
        return reads + sum(block.readers for block in self._blocks if 0 <= rank - block.writer < block.writers)

    def number(self, route: int) -> int:
        """Return how many channels a route has."""
        return sum(block.writers * block.readers for block in self._blocks if block.route == route)

    def _row(self, block: _Block, writer: int) -> Iterator[Channel]:
        for reader in range(block.readers):
            yield self._channel(block, writer, reader)

    def _channel(self, block: _Block, writer: int, reader: int) -> Channel:
        source, target = block.writer + writer, block.reader + reader
        index = block.start + writer * block.readers + reader
        return Channel(index, block.route, source, target, self._instances[source].cell, self._instances[target].cell)

    def __reduce__(self) -> tuple[type[Channels], tuple[Sequence[Instance], Sequence[Route]]]:
        return Channels, (self._instances, self._routes)
