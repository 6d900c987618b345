# SPDX-License-Identifier: Apache-2.0
"""What a run is said to take is what its arrays take."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.flagship.test_workflow_graph import settings

from noise.correlate import cross_spectra, fold
from noise.errors import ParameterError
from noise.sizes import GB, Memory, Sizes
from noise.stack import Stack
from noise.store import COLUMNS, PAIRS
from noise.tiles import Tiling

README = Path(__file__).parents[2] / "workflows" / "ambient_noise" / "README.md"
HUGE = Memory(total=1 << 50, limit="this machine has")


@pytest.mark.parametrize("channels", [2, 3, 4, 5, 8, 11, 64])
def test_tiles_and_columns_are_those_of_the_tiling(channels: int) -> None:
    sizes = Sizes(settings=settings(tile=4), channels=channels, segments=1)
    tiling = Tiling(stations=channels, tile_stations=4)

    assert (sizes.pairs, sizes.tiles) == (channels * (channels - 1) // 2, len(tiling.tiles))
    assert sizes.columns == tiling.size
    lags = settings(tile=4).grid.lags
    assert sizes.tile_bytes == max(len(tile.pairs()[0]) for tile in tiling.tiles) * lags * 4


def test_a_sum_is_as_large_as_the_products_and_counts_of_all_slabs() -> None:
    chosen = settings(tile=4)
    tiling = Tiling(stations=9, tile_stations=4)
    weights = np.ones((9, 3), np.float32)
    slabs = [slab.stop - slab.start for slab in chosen.grid.slabs]
    arrays = [cross_spectra(np.zeros((bins, 9, 3), np.complex64), tiling).nbytes for bins in slabs]

    assert len(slabs) == 8
    assert Sizes(settings=chosen, channels=9, segments=1).sum_bytes == sum(arrays) + 8 * fold(weights, tiling).nbytes


@pytest.mark.parametrize("segments", [7, 8, 24, 63, 100, 720])
def test_so_many_sums_are_in_memory_when_segments_come_in_order(segments: int) -> None:
    stack, most = Stack(), 0
    for segment in range(segments):
        most = max(most, len(stack._nodes) + 1)
        stack.add(segment, [np.zeros(1)])

    assert Sizes(settings=settings(), channels=2, segments=segments).sums == most


def test_the_stacks_take_their_traces_and_a_row_a_pair() -> None:
    row = sum(np.dtype(kind.dtype).itemsize for name, kind in {**PAIRS, **COLUMNS}.items() if name != "traces")
    sizes = Sizes(settings=settings(), channels=10, segments=1)

    assert sizes.stacks_bytes == 45 * (1201 * 4 + row)


def test_what_fits_is_not_refused_and_what_does_not_is() -> None:
    sizes = Sizes(settings=settings(output="/"), channels=64, segments=24, rate_hz=100.0)
    sizes.check(HUGE)

    with pytest.raises(ParameterError, match=r"64 channels make 2,016 pairs; that takes 0\.\d+ GB of memory"):
        sizes.check(Memory(total=sizes.memory_bytes, limit="this machine has"))


def test_the_table_of_the_readme_is_what_the_sizes_are() -> None:
    """Channels, pairs, tiles, GB a sum, GB of a day, GB of a month, GB on disk."""
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d,]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|",
        README.read_text(),
        re.MULTILINE,
    )

    assert [row[0] for row in rows] == ["3", "64", "300", "1,000"]
    for row in rows:
        channels = int(row[0].replace(",", ""))
        day, month = (
            Sizes(settings=settings(), channels=channels, segments=segments, rate_hz=100.0) for segments in (24, 720)
        )
        expected = day.sum_bytes, day.memory_bytes, month.memory_bytes, day.stacks_bytes
        assert (row[1], row[2]) == (f"{day.pairs:,}", str(day.tiles))
        assert [float(value) for value in row[3:]] == pytest.approx([value / GB for value in expected], rel=0.06)
