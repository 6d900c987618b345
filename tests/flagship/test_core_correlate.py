# SPDX-License-Identifier: Apache-2.0
"""The correlation of all pairs, against correlations of one pair by others: sign, zero lag, masks, fold, bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from obspy.signal import cross_correlation
from scipy import signal

from noise.correlate import coherency, cross_spectra, fold
from noise.errors import ShapeError
from noise.grid import Grid
from noise.lags import lag_traces
from noise.spectra import window_spectra
from noise.stack import Stack
from noise.tiles import Tiling

Array = NDArray[Any]
GRID = Grid(rate_hz=10.0, window_s=20.0, overlap=0.5, max_lag_s=6.0)
ALL_LAGS = Grid(rate_hz=10.0, window_s=20.0, overlap=0.5, max_lag_s=20.0)
TOLERANCE = [(np.float64, 1e-12), (np.float32, 1e-6)]  # of the peak


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def by_scipy(a: Array, b: Array, grid: Grid, starts: list[int] | None = None) -> Array:
    """Sum products in the time domain, window by window."""
    if starts is None:
        starts = [k * grid.step for k in range(grid.windows_in(len(a)))]
    full = [
        signal.correlate(b[s : s + grid.window], a[s : s + grid.window], mode="full", method="direct") for s in starts
    ]
    # At the ends of the axis the windows no longer touch: a lag of a whole window has no products.
    mean = np.pad(np.mean(full, axis=0), 1)
    return mean[grid.window - grid.max_lag : grid.window + grid.max_lag + 1]


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCE)
@pytest.mark.parametrize("grid", [GRID, ALL_LAGS])
def test_it_agrees_with_scipy(correlations: Any, grid: Grid, dtype: type, tolerance: float) -> None:
    samples = noise(5, 900)

    found = correlations(samples, grid, whitening="none", dtype=dtype, autocorrelations=True)

    assert len(found.traces) == 15
    for i, j, trace in zip(found.i, found.j, found.traces, strict=True):
        expected = by_scipy(samples[i], samples[j], grid)
        assert trace == pytest.approx(expected, rel=0, abs=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(("dtype", "tolerance"), TOLERANCE)
def test_it_agrees_with_obspy(correlations: Any, dtype: type, tolerance: float) -> None:
    samples = noise(3, GRID.window)

    found = correlations(samples, GRID, whitening="none", dtype=dtype)

    for i, j, trace in zip(found.i, found.j, found.traces, strict=True):
        expected = cross_correlation.correlate(samples[j], samples[i], GRID.max_lag, demean=False, normalize=None)
        assert trace == pytest.approx(expected, rel=0, abs=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("whitening", ["none", "phase", "running-mean"])
@pytest.mark.parametrize("delay", [-37, -1, 0, 1, 5, 60])
def test_positive_lag_is_energy_from_i_to_j(correlations: Any, delay: int, whitening: str) -> None:
    """Station 1 records what station 0 did, `delay` samples later; the peak is so many samples after index max_lag."""
    source = noise(1200)
    samples = np.stack([source[100:1100], source[100 - delay : 1100 - delay]])

    trace = correlations(samples, GRID, whitening=whitening, smooth_bins=5).traces[0]

    assert int(np.argmax(np.abs(trace))) == GRID.max_lag + delay


def test_an_autocorrelation_is_even_and_peaks_at_zero_lag(correlations: Any) -> None:
    found = correlations(noise(3, 800), GRID, whitening="phase", dtype=np.float64, autocorrelations=True)

    for trace in found.traces[found.i == found.j]:
        assert trace == pytest.approx(trace[::-1], abs=1e-12)
        assert int(np.argmax(trace)) == GRID.max_lag


def test_the_pair_the_other_way_round_is_the_mirror(correlations: Any) -> None:
    samples = noise(2, 800)

    forth = correlations(samples, GRID, dtype=np.float64).traces[0]
    back = correlations(samples[::-1], GRID, dtype=np.float64).traces[0]

    assert back == pytest.approx(forth[::-1], abs=1e-12)


def test_keeping_only_the_band_is_exact(correlations: Any) -> None:
    """The bins outside have no weight, so leaving them out changes nothing."""
    banded = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=6.0, band_hz=(0.5, 2.0), edge_hz=0.25)
    samples = noise(2, 800)
    frequencies = np.arange(banded.nfft // 2 + 1) * 10.0 / banded.nfft
    depth = np.clip(np.minimum(frequencies - 0.5, 2.0 - frequencies) / 0.25, 0, 1)
    gain = np.sin(np.pi / 2 * depth) ** 2
    frames = [np.fft.rfft(samples[:, s : s + 200], banded.nfft) for s in range(0, 601, 100)]
    whole = [np.fft.irfft(np.conj(f[0]) * f[1] / np.abs(f[0]) / np.abs(f[1]) * gain**2, banded.nfft) for f in frames]
    expected = np.roll(np.mean(whole, axis=0), banded.max_lag)[: banded.lags]

    trace = correlations(samples, banded, whitening="phase", dtype=np.float64).traces[0]

    assert banded.bins < banded.nfft // 4
    assert trace == pytest.approx(expected, rel=0, abs=1e-12 * np.abs(expected).max())


def test_gaps_cost_a_pair_the_windows_that_either_misses(correlations: Any) -> None:
    """As if only the windows in common had been recorded; what lies in a gap does not matter."""
    samples, mask = noise(4, 2000), np.ones((4, 2000), bool)
    mask[0, 150:180] = False
    mask[1, 1000:1500] = False
    mask[2, 300] = mask[2, 1999] = False
    samples[~mask] = np.nan
    samples[3, 777] = np.nan

    found = correlations(samples, GRID, mask=mask, whitening="none", dtype=np.float64)

    for i, j, trace, count in zip(found.i, found.j, found.traces, found.counts, strict=True):
        whole = [
            s
            for s in range(0, 1801, 100)
            if np.isfinite(samples[i, s : s + 200]).all() and np.isfinite(samples[j, s : s + 200]).all()
        ]
        expected = by_scipy(samples[i], samples[j], GRID, whole)
        assert count == len(whole)
        assert trace == pytest.approx(expected, rel=0, abs=1e-12 * np.abs(expected).max())
    counts = {(i, j): found.counts[found.pair(i, j)] for i, j in zip(found.i, found.j, strict=True)}
    assert counts == {(0, 1): 11, (0, 2): 14, (0, 3): 15, (1, 2): 10, (1, 3): 11, (2, 3): 14}  # of 19


def test_an_absent_station_leaves_the_others_as_they_are(correlations: Any) -> None:
    samples, mask = noise(4, 1000), np.ones((4, 1000), bool)
    complete = correlations(samples, GRID, tile_stations=4)
    mask[2] = False
    samples[2] = np.nan

    found = correlations(samples, GRID, mask=mask, tile_stations=4)

    absent = (found.i == 2) | (found.j == 2)
    assert found.counts.tolist() == np.where(absent, 0.0, 9.0).tolist()
    assert np.isnan(found.traces[absent]).all()
    assert found.traces[~absent].tobytes() == complete.traces[~absent].tobytes()


def test_the_fold_counts_exactly() -> None:
    weights = (np.random.default_rng(0).random((9, 500)) > 0.3).astype(np.float32)
    tiling = Tiling(stations=9, tile_stations=4)
    positions, i, j = tiling.pairs(autocorrelations=True)

    counts = fold(weights, tiling)[positions]

    assert counts.tolist() == [float(np.count_nonzero(weights[a] * weights[b])) for a, b in zip(i, j, strict=True)]


@pytest.mark.parametrize("tile_stations", [1, 2, 3, 7, 128])
def test_the_tile_only_decides_where_a_pair_lies(correlations: Any, tile_stations: int) -> None:
    samples = noise(7, 900)
    reference = correlations(samples, GRID, tile_stations=7, dtype=np.float64)

    found = correlations(samples, GRID, tile_stations=tile_stations, dtype=np.float64)

    for i, j, trace in zip(found.i, found.j, found.traces, strict=True):
        assert trace == pytest.approx(reference.traces[reference.pair(i, j)], abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slab_bins", [1, 7, 64])
def test_slab_by_slab_and_tile_by_tile_gives_the_same_bits(dtype: type, slab_bins: int) -> None:
    grid = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=6.0, band_hz=(0.2, 4.0), slab_bins=slab_bins)
    samples, tiling = noise(7, 1000), Tiling(stations=7, tile_stations=3)
    spectra, weights = window_spectra(samples, np.ones(samples.shape, bool), grid, dtype=dtype)
    counts, positions = fold(weights, tiling), tiling.pairs()[0]
    whole = lag_traces(cross_spectra(spectra, tiling), counts, grid, positions=positions)

    slabs = np.concatenate([cross_spectra(spectra[slab].copy(), tiling) for slab in grid.slabs])
    tiles = [
        lag_traces(slabs[:, tile.packed], counts[tile.packed], grid, positions=tile.pairs()[0]) for tile in tiling.tiles
    ]

    assert np.concatenate(tiles).tobytes() == whole.tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_segments_in_any_order_and_on_any_instance_give_the_same_bits(seed: int) -> None:
    rng, tiling = np.random.default_rng(seed), Tiling(stations=5, tile_stations=2)
    segments = []
    for hour in range(11):
        spectra, weights = window_spectra(noise(5, 600, seed=hour), rng.random((5, 600)) > 0.0, GRID)
        segments.append((cross_spectra(spectra, tiling), fold(weights, tiling)))
    expected = Stack()
    for hour, arrays in enumerate(segments):
        expected.add(hour, [a.copy() for a in arrays])

    instances = [Stack() for _ in range(3)]
    for hour in rng.permutation(11):
        instances[rng.integers(3)].add(int(hour), [a.copy() for a in segments[hour]])
    first, *others = (instances[k] for k in rng.permutation(3))
    for other in others:
        first.merge(other)

    total, reference = first.total(), expected.total()
    assert total is not None
    assert reference is not None
    assert [a.tobytes() for a in total] == [a.tobytes() for a in reference]


@pytest.mark.parametrize("layout", ["F", "slice"])
def test_the_layout_of_what_arrives_does_not_change_the_bits(layout: str) -> None:
    tiling = Tiling(stations=6, tile_stations=4)
    spectra, _ = window_spectra(noise(6, 1000), np.ones((6, 1000), bool), GRID)
    other = np.asfortranarray(spectra) if layout == "F" else np.repeat(spectra, 2, axis=2)[:, :, ::2]

    assert cross_spectra(other, tiling).tobytes() == cross_spectra(spectra, tiling).tobytes()


def test_coherency_is_the_mean_spectrum_over_both_amplitudes() -> None:
    tiling = Tiling(stations=5, tile_stations=2)
    samples, mask = noise(5, 3000), np.ones((5, 3000), bool)
    mask[1, 500:700] = False
    mask[4] = False
    spectra, weights = window_spectra(samples, mask, GRID, whitening="none", dtype=np.float64)
    positions, i, j = tiling.pairs(autocorrelations=True)

    found = coherency(cross_spectra(spectra, tiling), fold(weights, tiling), tiling)[:, positions]

    for column, (a, b) in enumerate(zip(i, j, strict=True)):
        if b == 4:
            assert np.all(found[:, column] == 0)
            continue
        common = (weights[a] * weights[b]).astype(bool)
        mean = np.mean(np.conj(spectra[:, a, common]) * spectra[:, b, common], axis=1)
        power = [np.mean(np.abs(spectra[:, s, weights[s] > 0]) ** 2, axis=1) for s in (a, b)]
        assert found[:, column] == pytest.approx(mean / np.sqrt(power[0] * power[1]), abs=1e-12)
    assert found[:, 0] == pytest.approx(1.0)


def test_a_station_too_few_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        ShapeError, match="3 stations were given to a tiling of 4; give each absent station a row of zeros"
    ):
        cross_spectra(np.zeros((2, 3, 5), complex), Tiling(stations=4))


def test_spectra_of_another_grid_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 4\) do not fit 136 bins"):
        lag_traces(np.zeros((3, 4), complex), np.ones(4), GRID)
