# SPDX-License-Identifier: Apache-2.0
"""From summed cross-spectra to lag traces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from noise.errors import ShapeError
from noise.grid import Grid

Array = NDArray[Any]

PAIRS_A_TIME = 128  # these stay in the cache; a transform strided along frequency is up to 10 times slower


def lag_traces(cross: Array, counts: Array, grid: Grid, *, positions: Array | None = None) -> Array:
    """Transform cross-spectra to traces over lag, each the mean over the windows its pair has in common.

    cross: complex, (bins kept, columns), summed over windows. counts: (columns,), windows in common. positions: which
    columns, in which order; None is all. Returns float32 or float64, (pairs, lags): lag k / rate_hz at index max_lag +
    k, zero lag at index max_lag. A pair without a window in common is NaN. Raises ShapeError if bins or columns
    disagree.
    """
    if cross.shape != (grid.bins, *counts.shape):
        raise ShapeError(f"cross-spectra {cross.shape} do not fit {grid.bins} bins and {counts.shape} counts.")
    chosen = np.arange(counts.size) if positions is None else positions
    traces = np.empty((len(chosen), grid.lags), cross.real.dtype)
    spectrum = np.zeros((PAIRS_A_TIME, grid.nfft // 2 + 1), cross.dtype)
    for start in range(0, len(chosen), PAIRS_A_TIME):
        columns = chosen[start : start + PAIRS_A_TIME]
        # `take` reads along rows; indexing would read column by column, at seven times the cost.
        spectrum[: len(columns), grid.kept] = np.take(cross, columns, axis=1).T
        circular = fft.irfft(spectrum[: len(columns)], n=grid.nfft, axis=1, workers=1)
        block = traces[start : start + len(columns)]
        block[:, grid.max_lag :] = circular[:, : grid.max_lag + 1]
        block[:, : grid.max_lag] = circular[:, grid.nfft - grid.max_lag :]
        block /= np.where(counts[columns] > 0, counts[columns], np.nan).astype(traces.dtype)[:, None]
    return traces
