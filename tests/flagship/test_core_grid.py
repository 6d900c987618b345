# SPDX-License-Identifier: Apache-2.0
"""Sizes from parameters: windows, lags, bins, slabs, tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from noise.errors import ParameterError
from noise.grid import Grid
from noise.tiles import Tiling


def test_an_hour_at_20_hz_has_119_windows_of_60_s() -> None:
    grid = Grid(rate_hz=20.0, window_s=60.0, overlap=0.5, max_lag_s=30.0)

    assert (grid.window, grid.step, grid.max_lag, grid.lags) == (1200, 600, 600, 1201)
    assert grid.windows_in(72_000) == 119
    assert (grid.nfft, grid.bins) == (1800, 901)


@pytest.mark.parametrize(("n", "windows"), [(0, 0), (99, 0), (100, 1), (149, 1), (150, 2)])
def test_only_whole_windows_count(n: int, windows: int) -> None:
    assert Grid(rate_hz=10.0, window_s=10.0, overlap=0.5, max_lag_s=5.0).windows_in(n) == windows


@pytest.mark.parametrize("max_lag_s", [0.0, 3.1, 17.0, 60.0])
def test_the_transform_is_long_enough_for_the_longest_lag(max_lag_s: float) -> None:
    grid = Grid(rate_hz=20.0, max_lag_s=max_lag_s)

    assert grid.nfft >= grid.window + grid.max_lag


def test_lag_zero_is_in_the_middle() -> None:
    lags = Grid(rate_hz=4.0, window_s=10.0, max_lag_s=2.0).lag_times_s()

    assert lags[8] == 0.0
    assert (lags[0], lags[9], lags[16]) == (-2.0, 0.25, 2.0)


def test_the_band_keeps_the_bins_strictly_inside() -> None:
    """0.1 Hz is bin 9 and 2 Hz bin 180 of 1800 at 20 Hz; both have no weight."""
    grid = Grid(rate_hz=20.0, band_hz=(0.1, 2.0), edge_hz=0.1)

    assert (grid.first_bin, grid.bins, grid.kept) == (10, 170, slice(10, 180))


def test_the_edges_of_the_band_fall_as_cos_squared() -> None:
    grid = Grid(rate_hz=10.0, window_s=60.0, max_lag_s=40.0, band_hz=(1.0, 3.0), edge_hz=0.5)
    weight = dict(zip(np.round(grid.frequencies_hz(), 6), grid.band_weights(), strict=True))

    assert weight[1.25] == pytest.approx(0.5)  # cos^2(45 degrees)
    assert weight[2.75] == pytest.approx(0.5)
    assert weight[1.5] == weight[2.0] == weight[2.5] == 1.0
    assert min(weight) == pytest.approx(1.01)
    assert weight[1.01] == pytest.approx(np.cos(np.pi / 2 * 0.98) ** 2)


def test_slabs_cover_the_kept_bins_once() -> None:
    slabs = Grid(rate_hz=20.0, band_hz=(0.1, 2.0), slab_bins=64).slabs

    assert slabs == (slice(0, 64), slice(64, 128), slice(128, 170))


def test_a_width_in_hz_is_a_half_width_in_bins() -> None:
    grid = Grid(rate_hz=20.0)  # bins of 1/90 Hz

    assert (grid.half_width(0.0), grid.half_width(0.1), grid.half_width(1.0)) == (0, 4, 45)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"rate_hz": 0.0}, "rate_hz is 0.0"),
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
        ({"window_s": 0.0}, "window_s is 0.0"),
        ({"window_s": float("inf")}, "window_s is inf"),
        ({"overlap": 1.0}, "overlap is 1.0"),
        ({"overlap": -0.1}, "overlap is -0.1"),
        ({"max_lag_s": 61.0}, "max_lag_s is 61.0"),
        ({"max_lag_s": -1.0}, "max_lag_s is -1.0"),
        ({"slab_bins": 0}, "slab_bins is 0"),
        ({"band_hz": (1.0, 0.5)}, "band_hz is 1.0..0.5"),
        ({"band_hz": (0.1, 11.0)}, "band_hz is 0.1..11.0"),
        ({"band_hz": (float("nan"), 1.0)}, "band_hz is nan..1.0"),
        ({"band_hz": (0.1, 0.105)}, "no bin lies inside"),
        ({"band_hz": (0.1, 1.0), "edge_hz": 0.5}, "edge_hz is 0.5"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        Grid(**{"rate_hz": 20.0, **wrong})


@pytest.mark.parametrize(("stations", "width"), [(1, 4), (4, 4), (5, 2), (7, 3), (9, 128)])
def test_every_pair_is_in_one_tile(stations: int, width: int) -> None:
    tiling = Tiling(stations=stations, tile_stations=width)
    positions, i, j = tiling.pairs(autocorrelations=True)

    expected = {(a, b) for a in range(stations) for b in range(a, stations)}
    assert len(i) == len(expected)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected
    assert len(set(positions.tolist())) == len(positions)
    assert positions.max() < tiling.size


def test_a_tile_lists_its_pairs_by_i_and_then_j() -> None:
    diagonal, beside = Tiling(stations=5, tile_stations=3).tiles[:2]

    assert [a.tolist() for a in diagonal.pairs()] == [[1, 2, 5], [0, 0, 1], [1, 2, 2]]
    assert [a.tolist() for a in beside.pairs()] == [[0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2], [3, 4, 3, 4, 3, 4]]
    assert (diagonal.packed, beside.packed) == (slice(0, 9), slice(9, 15))


@pytest.mark.parametrize("wrong", [{"stations": 0}, {"stations": 3, "tile_stations": 0}])
def test_a_tiling_of_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ParameterError):
        Tiling(**wrong)
