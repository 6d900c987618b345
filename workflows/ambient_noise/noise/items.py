# SPDX-License-Identifier: Apache-2.0
"""What travels between the PEs: a block of stations and a segment of time, then a slab of frequencies, then a tile of pairs. Never a pair.

Tuples, so that the first element is the key to group by.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]


class Survey(NamedTuple):
    """What the archive holds, told once."""

    channels: tuple[str, ...]  # NET.STA.LOC.CHA, sorted: the rows of every matrix
    latitudes: tuple[float, ...]  # degrees; NaN where unknown
    longitudes: tuple[float, ...]
    elevations_m: tuple[float, ...]
    start_ns: int  # since 1970 UTC
    end_ns: int
    segments: int


class Work(NamedTuple):
    """What to read: one block of channels in one segment."""

    segment: int
    block: int
    blocks: int  # in all
    start_ns: int  # of the segment
    end_ns: int  # of the whole study: nothing after it counts
    channels: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]  # of each channel


class Group(NamedTuple):
    """Channels of a block that share a sampling rate."""

    rate_hz: float
    rows: Array  # int, (n,): which channels of the block
    offsets_s: Array  # float64, (n,): from the start of the span to the first sample, less than half a sample
    samples: Array  # float32, (n, samples), less their mean; anything where absent
    absent: Array  # int64, (k, 3): row of this group, first sample, one after the last, in order


class Waveforms(NamedTuple):
    """What was recorded."""

    work: Work
    groups: tuple[Group, ...]


class Samples(NamedTuple):
    """A block at the common sampling rate, filtered, with the overhang of the last window."""

    segment: int
    block: int
    blocks: int
    samples: Array  # float32, (channels, n)
    mask: Array  # bool, (channels, n)


class SlabSpectra(NamedTuple):
    """Whitened spectra of a block in one slab of frequencies."""

    slab: int
    segment: int
    block: int
    blocks: int
    spectra: Array | None  # complex64, (bins, channels, windows); None where no window is whole
    weights: Array  # float32, (channels, windows)


class TileSpectra(NamedTuple):
    """Cross-spectra of a tile of pairs in one slab, summed over all windows."""

    tile: int
    slab: int
    stations: int
    cross: Array  # complex64, (bins, pairs of the tile)
    counts: Array  # float64, (pairs of the tile,): windows in common


class TileTraces(NamedTuple):
    """Correlations of a tile of pairs."""

    tile: int
    stations: int
    first: Array  # int, (pairs,): station i
    second: Array  # int, (pairs,): station j
    traces: Array  # float32, (pairs, lags)
    windows: Array  # int32, (pairs,): windows in common
