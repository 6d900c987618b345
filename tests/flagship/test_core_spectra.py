# SPDX-License-Identifier: Apache-2.0
"""Windows, their weights, and the definitions of whitening."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from noise.errors import ParameterError, ShapeError
from noise.grid import Grid
from noise.spectra import Whitening, whiten, window_spectra, windows

Array = NDArray[Any]
METHODS = get_args(Whitening)


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def test_windows_follow_each_other_by_the_step() -> None:
    samples = np.arange(10.0)[None, :]

    frames, weights = windows(samples, np.ones((1, 10), bool), window=4, step=3)

    assert frames[0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert weights.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("place", range(10))
def test_an_absent_sample_costs_the_windows_it_lies_in(place: int) -> None:
    samples, mask = noise(1, 10), np.ones((1, 10), bool)
    mask[0, place] = False

    frames, weights = windows(samples, mask, window=4, step=3)

    assert weights[0].tolist() == [float(not start <= place < start + 4) for start in (0, 3, 6)]
    assert np.all(frames[weights == 0] == 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_an_absent_one(value: float) -> None:
    samples = noise(1, 10)
    samples[0, 5] = value

    frames, weights = windows(samples, np.ones((1, 10), bool), window=4, step=3)

    assert weights.tolist() == [[1, 0, 1]]
    assert np.isfinite(frames).all()


def test_a_dead_channel_has_no_windows() -> None:
    """A constant holds no noise; counted, it would dilute the mean of its pairs."""
    samples = noise(3, 12)
    samples[0] = 17.0
    samples[1, :6] = 0.0

    _, weights = windows(samples, np.ones((3, 12), bool), window=4, step=4)

    assert weights.tolist() == [[0, 0, 0], [0, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_block_shorter_than_a_window_has_none(n: int) -> None:
    frames, weights = windows(noise(2, n), np.ones((2, n), bool), window=4, step=2)

    assert (frames.shape, weights.shape) == ((2, 0, 4), (2, 0))


def test_spectra_are_those_of_the_zero_padded_windows_in_the_band() -> None:
    grid = Grid(rate_hz=10.0, window_s=8.0, overlap=0.25, max_lag_s=4.0, band_hz=(0.5, 3.0))
    samples = noise(2, 400)

    spectra, weights = window_spectra(samples, np.ones((2, 400), bool), grid, whitening="none", dtype=np.float64)

    assert spectra.shape == (grid.bins, 2, grid.windows_in(400))
    for window in range(grid.windows_in(400)):
        piece = samples[1, window * 60 : window * 60 + 80]
        assert spectra[:, 1, window] == pytest.approx(np.fft.rfft(piece, grid.nfft)[grid.kept], abs=1e-12)
    assert np.all(weights == 1)


def test_phase_whitening_leaves_the_phase_and_the_weights_of_the_band() -> None:
    grid = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=10.0, band_hz=(0.5, 3.0), edge_hz=0.5)
    before = np.fft.rfft(noise(3, 200), grid.nfft)

    after = whiten(before, grid, method="phase")

    assert np.abs(after) == pytest.approx(np.broadcast_to(grid.band_weights(), after.shape), rel=1e-12)
    assert np.angle(after) == pytest.approx(np.angle(before[:, grid.kept]), abs=1e-12)


@pytest.mark.parametrize("band", [None, (0.5, 3.0)])
def test_running_mean_whitening_divides_by_the_mean_of_the_bins_around(band: tuple[float, float] | None) -> None:
    """The bins outside the band count; at zero and at Nyquist there are fewer."""
    grid = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=10.0, band_hz=band)
    before = np.fft.rfft(noise(200), grid.nfft)
    level = [np.mean(np.abs(before[max(0, k - 6) : k + 7])) for k in range(len(before))]

    after = whiten(before, grid, method="running-mean", smooth_bins=6)

    assert after == pytest.approx((before / level)[grid.kept], rel=1e-10)


def test_a_running_mean_of_one_bin_is_phase_whitening() -> None:
    grid = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=10.0, band_hz=(0.5, 3.0))
    before = np.fft.rfft(noise(4, 200), grid.nfft)

    after = whiten(before, grid, method="running-mean", smooth_bins=0)

    assert after == pytest.approx(whiten(before, grid, method="phase"), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_spectrum_of_nothing_is_zero(method: Whitening) -> None:
    grid = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=10.0)

    assert np.all(whiten(np.zeros((2, grid.nfft // 2 + 1), complex), grid, method=method, smooth_bins=2) == 0)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_whitening_in_float32_does_not_mind_the_unit(scale: float) -> None:
    grid = Grid(rate_hz=10.0, window_s=20.0, max_lag_s=10.0)
    samples, mask = noise(1, 400), np.ones((1, 400), bool)

    plain, _ = window_spectra(samples, mask, grid, whitening="phase")
    other, _ = window_spectra(samples * scale, mask, grid, whitening="phase")

    assert other == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_station_has_the_same_bits_in_any_block(method: Whitening, dtype: type) -> None:
    grid = Grid(rate_hz=20.0, window_s=10.0, max_lag_s=5.0, band_hz=(0.2, 5.0), edge_hz=0.1)
    samples, mask = noise(7, 1500), np.random.default_rng(1).random((7, 1500)) > 0.001

    together, _ = window_spectra(samples, mask, grid, whitening=method, smooth_bins=3, dtype=dtype)
    blocks = [
        window_spectra(samples[k], mask[k], grid, whitening=method, smooth_bins=3, dtype=dtype)[0]
        for k in (slice(0, 3), slice(3, 4), slice(4, 7))
    ]

    assert together.tobytes() == np.concatenate(blocks, axis=1).tobytes()


def test_an_unknown_whitening_is_named() -> None:
    grid = Grid(rate_hz=10.0)

    with pytest.raises(ParameterError, match="whitening is 'white'; it must be one of none, phase, running-mean"):
        whiten(np.ones(grid.nfft // 2 + 1, complex), grid, method="white")  # type: ignore[arg-type]


def test_a_negative_width_is_named() -> None:
    grid = Grid(rate_hz=10.0)

    with pytest.raises(ParameterError, match="smooth_bins is -1"):
        whiten(np.ones(grid.nfft // 2 + 1, complex), grid, method="running-mean", smooth_bins=-1)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(2, 800\) and mask \(2, 801\)"):
        window_spectra(noise(2, 800), np.ones((2, 801), bool), Grid(rate_hz=10.0))
