# SPDX-License-Identifier: Apache-2.0
"""All pairs at once: for each frequency, one matrix product over the windows.

C_ij(tau) = sum_t u_i(t) u_j(t + tau) has the spectrum conj(U_i) U_j, so positive lag is energy from i to j. Summed over
windows that is conj(X) X^T, a rank-W update; a missing window is a zero column, and how many windows a pair has in
common is M M^T. Call these inside `single_threaded()`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import ShapeError
from noise.spectra import scaled
from noise.tiles import Tiling

Array = NDArray[Any]


def cross_spectra(spectra: Array, tiling: Tiling) -> Array:
    """Sum the cross-spectra of all station pairs over windows.

    spectra: complex, (frequencies, stations, windows), zero where a window is missing. Returns complex, (frequencies,
    tiling.size); the columns of a tile are conj(U_i) U_j, i by j: positive lag is energy from i to j. Raises ShapeError
    if the stations are not those of the tiling. Bensen et al. 2007, section 3; as one rank-W update per frequency.
    """
    frequencies, stations, _ = spectra.shape
    _check_stations(stations, tiling)
    spectra = np.ascontiguousarray(spectra)  # else numpy may leave BLAS, and the bits would follow the strides
    conjugate = np.conj(spectra)
    transposed = spectra.transpose(0, 2, 1)
    result = np.empty((frequencies, tiling.size), spectra.dtype)
    for tile in tiling.tiles:
        # With one BLAS thread a stacked product is as fast as a loop, and neither it nor its result is copied.
        out = result[:, tile.packed].reshape(frequencies, *tile.shape)
        np.matmul(conjugate[:, tile.rows], transposed[:, :, tile.columns], out=out)
    return result


def fold(weights: Array, tiling: Tiling) -> Array:
    """Count the windows that each pair has in common.

    weights: (stations, windows), 0 where a window is missing, else 1. Returns float64 counts, (tiling.size,), packed as
    the cross-spectra.
    """
    _check_stations(weights.shape[0], tiling)
    present = weights.astype(np.float64)
    result = np.empty(tiling.size)
    for tile in tiling.tiles:
        np.matmul(present[tile.rows], present[tile.columns].T, out=result[tile.packed].reshape(tile.shape))
    return result


def coherency(cross: Array, counts: Array, tiling: Tiling) -> Array:
    """Divide mean cross-spectra by both amplitudes: S_ij / sqrt(S_ii S_jj), zero where a station has no energy.

    cross: complex, (frequencies, tiling.size), summed over windows. counts: (tiling.size,), from `fold`.
    Returns *mean* spectra of the same shape: take their lags with counts of 1. Prieto et al. 2009, eq. 3.
    """
    mean = scaled(cross, np.broadcast_to(_inverse(counts).astype(cross.real.dtype), cross.shape))
    power = np.empty((cross.shape[0], tiling.stations), cross.real.dtype)
    diagonal = [tile for tile in tiling.tiles if tile.rows == tile.columns]
    for tile in diagonal:
        power[:, tile.rows] = mean[:, tile.packed].real[:, :: tile.shape[1] + 1]
    gain = _inverse(np.sqrt(power))
    for tile in tiling.tiles:
        gains = gain[:, tile.rows, None] * gain[:, None, tile.columns]
        mean[:, tile.packed] = scaled(mean[:, tile.packed], gains.reshape(cross.shape[0], tile.size))
    return mean


def evened(cross: Array, counts: Array, windows: Array) -> Array:
    """Return sums over `counts` windows as sums over `windows`; as they are, but where an item of one slab was lost to quarantine."""
    if np.array_equal(counts, windows):
        return cross
    factor = np.divide(windows, counts, out=np.full_like(windows, np.nan), where=counts > 0)
    return (cross * factor).astype(cross.dtype)


def _inverse(values: Array) -> Array:
    result = np.zeros_like(values)
    np.divide(1, values, out=result, where=values > 0)
    return result


def _check_stations(stations: int, tiling: Tiling) -> None:
    if stations != tiling.stations:
        raise ShapeError(
            f"{stations} stations were given to a tiling of {tiling.stations}; "
            "give each absent station a row of zeros, so that the rows stay in place."
        )
