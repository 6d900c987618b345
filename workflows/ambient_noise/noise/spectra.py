# SPDX-License-Identifier: Apache-2.0
"""From samples to whitened spectra of windows, of which only the bins inside the band are kept.

The layout is (bins, stations, windows): a slab of bins is one contiguous block, and each bin of it a matrix ready for
BLAS.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from noise.errors import ParameterError, ShapeError
from noise.grid import Grid
from noise.masks import usable, whole_windows

Array = NDArray[Any]
Whitening = Literal["none", "phase", "running-mean"]


def windows(samples: Array, mask: Array, *, window: int, step: int) -> tuple[Array, Array]:
    """Cut a block into windows.

    samples: float, (stations, n). mask: bool, (stations, n), True where there is real data. window, step: in samples.
    Returns the windows, (stations, windows, window), and their weights, (stations, windows): 0 where a sample is absent
    or not finite or where the channel is dead (one constant value); such a window is all zeros. Raises ShapeError if
    the two disagree.
    """
    values, good = usable(samples, mask)
    whole = whole_windows(values, good, window=window, step=step)
    if whole.shape[1] == 0:
        return np.zeros((values.shape[0], 0, window), values.dtype), whole.astype(np.float32)
    frames = sliding_window_view(values, window, axis=1)[:, ::step]
    return frames * whole[:, :, None], whole.astype(np.float32)


def window_spectra(
    samples: Array,
    mask: Array,
    grid: Grid,
    *,
    whitening: Whitening = "phase",
    smooth_bins: int = 0,
    dtype: Any = np.float32,
) -> tuple[Array, Array]:
    """Transform and whiten the windows of a block of stations.

    samples: float, (stations, n). mask: bool, (stations, n), True where there is real data.
    whitening: see `whiten`; smooth_bins is its M. dtype: float32 or float64, the precision of everything from here on.
    Returns spectra, complex64 or complex128, (bins kept, stations, windows), and weights, (stations, windows).
    The rows of a station have the same bits whatever other stations share the block. Raises ShapeError if samples and
    mask disagree.
    """
    if samples.ndim != 2 or samples.shape != mask.shape:
        raise ShapeError(f"samples {samples.shape} and mask {mask.shape} must both be (stations, n).")
    stations, n = samples.shape
    spectra = np.empty((grid.bins, stations, grid.windows_in(n)), np.result_type(dtype, np.complex64))
    weights = np.empty((stations, grid.windows_in(n)), np.float32)
    for station in range(stations):  # one at a time: its windows fit in the cache
        row = slice(station, station + 1)
        frames, weights[row] = windows(
            samples[row].astype(dtype, copy=False), mask[row], window=grid.window, step=grid.step
        )
        transformed = fft.rfft(frames[0], n=grid.nfft, axis=1, workers=1)
        spectra[:, station, :] = whiten(transformed, grid, method=whitening, smooth_bins=smooth_bins).T
    return spectra, weights


def whiten(transformed: Array, grid: Grid, *, method: Whitening, smooth_bins: int = 0) -> Array:
    """Flatten the amplitude of spectra inside the band and drop the rest.

    transformed: complex, (..., nfft // 2 + 1). Returns complex, (..., bins kept): X times the cos^2 band weights, and
    "phase": divided by |X|; "running-mean": divided by the mean of |X| over the 2 smooth_bins + 1 bins around it, those
    outside the band too, fewer at zero and at Nyquist, where there are no more; "none": as it is. Where the divisor is
    zero so is the result. Bensen et al. 2007, section 2. Raises ParameterError for an unknown method.
    """
    band = transformed[..., grid.kept]
    weights = grid.band_weights().astype(transformed.real.dtype)
    match method:
        case "none":
            return scaled(band, np.broadcast_to(weights, band.shape))
        case "phase":
            level = amplitude(band)
        case "running-mean":
            level = _running_mean(amplitude(transformed), smooth_bins)[..., grid.kept]
        case _:
            raise ParameterError(f"whitening is {method!r}; it must be one of {', '.join(get_args(Whitening))}.")
    gain = np.zeros_like(level)
    np.divide(weights, level, out=gain, where=level > np.finfo(weights.dtype).tiny)
    return scaled(band, gain.astype(weights.dtype))


def amplitude(values: Array) -> Array:
    """|X| in float64, so that squares of small units do not underflow.

    Each operation rounds alike in any vector width and place of an array, which `numpy.abs` does not promise.
    """
    real, imaginary = values.real.astype(np.float64), values.imag.astype(np.float64)
    return np.asarray(np.sqrt(real * real + imaginary * imaginary))


def scaled(values: Array, gain: Array) -> Array:
    """Complex values times real gains of the same shape, without the rounding of a complex product."""
    result = np.empty(values.shape, values.dtype)
    np.multiply(values.real, gain, out=result.real)
    np.multiply(values.imag, gain, out=result.imag)
    return result


def _running_mean(level: Array, half_width: int) -> Array:
    if half_width < 0:
        raise ParameterError(f"smooth_bins is {half_width}; it is M of a mean over 2 M + 1 bins: 0 or more.")
    n = level.shape[-1]
    total = np.zeros((*level.shape[:-1], n + 1))
    np.cumsum(level, axis=-1, dtype=np.float64, out=total[..., 1:])
    upper = np.minimum(np.arange(n) + half_width + 1, n)
    lower = np.maximum(np.arange(n) - half_width, 0)
    return np.asarray((total[..., upper] - total[..., lower]) / (upper - lower))
