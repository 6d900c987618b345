# SPDX-License-Identifier: Apache-2.0
"""Where each pair of stations lies: the upper triangle of all pairs, cut into square tiles.

Stations are numbered in NET.STA.LOC.CHA order. Tile (bi, bj), bi <= bj, holds the pairs of block bi with block bj. The
tiles are packed one after another along one axis, so all pairs of a frequency are one row, and one tile of all
frequencies is a slice of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import ParameterError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The pairs of stations rows.start..rows.stop with stations columns.start..columns.stop."""

    number: int
    rows: slice  # stations i
    columns: slice  # stations j
    offset: int  # of the first pair on the packed axis

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def packed(self) -> slice:
        """This tile on the packed axis."""
        return slice(self.offset, self.offset + self.size)

    def pairs(self, *, autocorrelations: bool = False) -> tuple[Array, Array, Array]:
        """List the pairs of this tile, each once, by i and then j.

        Returns three int arrays of one length: the position within the tile (0 .. size - 1), station i, station j; i <
        j, or i <= j with autocorrelations. (A tile on the diagonal also stores i > j, the conjugates, which are not
        listed.)
        """
        i, j = np.indices(self.shape).reshape(2, -1)
        i, j = i + self.rows.start, j + self.columns.start
        listed = np.flatnonzero(i <= j if autocorrelations else i < j)
        return listed, i[listed], j[listed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """All pairs of a number of stations. Fixed by parameters, never by the number of processes."""

    stations: int
    tile_stations: int = 128  # near the best of one-thread BLAS: 70 GF/s, against 40 for 32 stations (AVX2)

    def __post_init__(self) -> None:
        if self.stations < 1:
            raise ParameterError(f"stations is {self.stations}; a tiling needs at least 1.")
        if self.tile_stations < 1:
            raise ParameterError(f"tile_stations is {self.tile_stations}; a tile is at least 1 station wide.")

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The stations cut into blocks. The last may be shorter."""
        size = self.tile_stations
        return tuple(slice(a, min(a + size, self.stations)) for a in range(0, self.stations, size))

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Every tile with bi <= bj, by bi and then bj."""
        return _tiles(self)

    @property
    def size(self) -> int:
        """Length of the packed axis."""
        return sum(tile.size for tile in self.tiles)

    def pairs(self, *, autocorrelations: bool = False) -> tuple[Array, Array, Array]:
        """List all pairs, tile after tile: position on the packed axis, station i, station j; i < j (or i <= j)."""
        listed = [(tile.offset, tile.pairs(autocorrelations=autocorrelations)) for tile in self.tiles]
        positions = np.concatenate([offset + position for offset, (position, _, _) in listed])
        return positions, np.concatenate([p[1] for _, p in listed]), np.concatenate([p[2] for _, p in listed])


@lru_cache(maxsize=8)
def _tiles(tiling: Tiling) -> tuple[Tile, ...]:
    """Listed once, since every message asks for them."""
    tiles: list[Tile] = []
    offset = 0
    for number, rows in enumerate(tiling.blocks):
        for columns in tiling.blocks[number:]:
            tiles.append(Tile(number=len(tiles), rows=rows, columns=columns, offset=offset))
            offset += tiles[-1].size
    return tuple(tiles)
