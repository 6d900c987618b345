# SPDX-License-Identifier: Apache-2.0
"""How much a run takes, in memory and on disk, told before it starts: a month of a thousand stations is no place to run out of either."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from noise.errors import ParameterError
from noise.settings import Settings

GB = 1_000_000_000
COMPLEX, FLOAT = 8, 4  # bytes: complex64 sums, float32 traces
COUNT = 8  # bytes: windows in common, one value a pair and slab
ROW = 45  # bytes of a pair beside its traces: indices, counts and what is measured
MOST_TILES = 20_000  # messages from RankUpdate a slab; more would cost more than they carry
MOST_TILE_BYTES = 1 << 30  # of traces in one message
COPIES = 2  # of what RankUpdate holds, while a checkpoint is written: pickled, and pickled with the rest
SPARE = 0.9  # of the memory: the rest is for the system and the processes themselves
CGROUPS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What there is, and who says so."""

    total: int  # bytes
    limit: str  # the words before the number

    @classmethod
    def of(cls, settings: Settings) -> Memory:
        """What memory_gb allows, else what this machine has."""
        if settings.memory_gb:
            return cls(total=int(settings.memory_gb * GB), limit="memory_gb allows")
        return cls.of_machine()

    @classmethod
    def of_machine(cls) -> Memory:
        """The memory of this machine, or of the container if that is less."""
        machine = cls(total=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), limit="this machine has")
        for name in CGROUPS:
            try:
                text = Path(name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdigit() and int(text) < machine.total:
                return cls(total=int(text), limit="this container has")
        return machine


class Part(NamedTuple):
    """One use of memory."""

    size: int  # bytes
    name: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of a run with so many channels and segments. Bytes are of all processes together, whatever their number."""

    settings: Settings
    channels: int
    segments: int
    rate_hz: float = 0.0  # of the records, as far as it is known

    @property
    def pairs(self) -> int:
        return self.channels * (self.channels - 1) // 2

    @property
    def tiles(self) -> int:
        side = -(-self.channels // self.settings.tile)
        return side * (side + 1) // 2

    @property
    def columns(self) -> int:
        """Cross-spectra of a frequency: the pairs, and both triangles of the tiles on the diagonal."""
        whole, rest = divmod(self.channels, self.settings.tile)
        diagonal = whole * self.settings.tile**2 + rest**2
        return (self.channels**2 + diagonal) // 2

    @property
    def sum_bytes(self) -> int:
        """One sum of the cross-spectra of all pairs."""
        grid = self.settings.grid
        return self.columns * (grid.bins * COMPLEX + len(grid.slabs) * COUNT)

    @property
    def sums(self) -> int:
        """Sums in memory at once: the open nodes of the tree of segments and the product that comes; at the end the total and its tiles."""
        return max(3, self.segments.bit_length())

    @property
    def spectra_bytes(self) -> int:
        """Spectra of all channels in a segment, four times: two segments on their way, and one put together with its conjugate."""
        grid, span = self.settings.grid, self.settings.span
        return 4 * self.channels * grid.windows_in(span.own) * grid.bins * COMPLEX

    @property
    def samples_bytes(self) -> int:
        """Samples of a block in a segment, four times: as read, straightened, transformed and filtered."""
        rate = max(self.rate_hz, self.settings.rate_hz)
        return int(4 * min(self.settings.block, self.channels) * self.settings.span.seconds * rate * FLOAT)

    @property
    def tile_bytes(self) -> int:
        """Traces of the largest tile."""
        side = min(self.settings.tile, self.channels)
        pairs = side * side if self.channels >= 2 * side else max(side * (side - 1) // 2, side * (self.channels - side))
        return pairs * self.settings.grid.lags * FLOAT

    @property
    def parts(self) -> tuple[Part, ...]:
        """What takes memory at the worst moment."""
        bins = self.settings.grid.bins
        sums = f"{self.sums} sums of {bins} frequencies for {self.segments:,} segments, {_gb(self.sum_bytes)} each, and their copies in a checkpoint"
        copies = COPIES * (self.sums - 1)
        return (
            Part(
                (self.sums + copies) * self.sum_bytes,
                sums,
                "narrow band_hz, raise segment_s (fewer sums) or choose fewer channels",
            ),
            Part(self.spectra_bytes, "spectra of a segment", "lower overlap or segment_s, or narrow band_hz"),
            Part(self.samples_bytes, "samples of a block", "lower block or segment_s"),
            Part(3 * self.tile_bytes, "traces of a tile", "lower tile, or shorten max_lag_s"),
        )

    @property
    def memory_bytes(self) -> int:
        """All of it."""
        return sum(part.size for part in self.parts)

    @property
    def stacks_bytes(self) -> int:
        """The stacks on disk, before compression, which noise resists."""
        return self.pairs * (self.settings.grid.lags * FLOAT + ROW)

    def check(self, memory: Memory) -> None:
        """Raise ParameterError, with a number and a remedy, if this cannot fit."""
        s = self.settings
        if self.tiles > MOST_TILES:
            raise ParameterError(
                f"tile is {s.tile}; {self.channels:,} channels would be cut into {self.tiles:,} tiles, {MOST_TILES:,} are the most: raise tile."
            )
        if self.tile_bytes > MOST_TILE_BYTES:
            raise ParameterError(
                f"tile is {s.tile}; the traces of a tile would take {_gb(self.tile_bytes)}, {_gb(MOST_TILE_BYTES)} is the most "
                "that travels at once: lower tile, or shorten max_lag_s."
            )
        if self.memory_bytes > SPARE * memory.total:
            worst = max(self.parts, key=lambda part: part.size)
            raise ParameterError(
                f"{self.channels:,} channels make {_pairs(self.pairs)}; that takes {_gb(self.memory_bytes)} of memory, most of it for {worst.name}, "
                f"and {memory.limit} {_gb(memory.total)}: {worst.remedy}; or set memory_gb if there is more."
            )
        free = _free(s.output)
        if self.stacks_bytes > free:
            raise ParameterError(
                f"The stacks of {_pairs(self.pairs)} take {_gb(self.stacks_bytes)}, and output {s.output!r} has {_gb(free)} free; "
                "shorten max_lag_s, choose fewer channels, or name another output."
            )


def _free(output: str) -> int:
    place = Path(output)
    while not place.exists():
        place = place.parent
    return int(shutil.disk_usage(place).free)


def _gb(size: int) -> str:
    return f"{size / GB:,.1f} GB" if size >= GB else f"{size / GB:.2g} GB"


def _pairs(pairs: int) -> str:
    return "1 pair" if pairs == 1 else f"{pairs:,} pairs"
