# SPDX-License-Identifier: Apache-2.0
"""The flagship's package stands beside its workflow: here it becomes importable, and runs from samples to traces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "workflows" / "ambient_noise"))

from noise.blas import single_threaded
from noise.correlate import cross_spectra, fold
from noise.grid import Grid
from noise.lags import lag_traces
from noise.spectra import window_spectra
from noise.tiles import Tiling

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlations:
    traces: Array  # (pairs, lags)
    counts: Array  # windows in common, (pairs,)
    i: Array
    j: Array

    def pair(self, i: int, j: int) -> int:
        """Find the row of a pair."""
        return int(np.flatnonzero((self.i == i) & (self.j == j))[0])


Correlate = Callable[..., Correlations]


@pytest.fixture
def correlations() -> Correlate:
    """From samples to the traces of all pairs, as the workflow does it."""

    def run(
        samples: Array,
        grid: Grid,
        *,
        mask: Array | None = None,
        tile_stations: int = 2,
        autocorrelations: bool = False,
        **spectral: Any,
    ) -> Correlations:
        tiling = Tiling(stations=len(samples), tile_stations=tile_stations)
        mask = np.ones(samples.shape, bool) if mask is None else mask
        positions, i, j = tiling.pairs(autocorrelations=autocorrelations)
        with single_threaded():
            spectra, weights = window_spectra(samples, mask, grid, **spectral)
            counts = fold(weights, tiling)
            traces = lag_traces(cross_spectra(spectra, tiling), counts, grid, positions=positions)
        return Correlations(traces=traces, counts=counts[positions], i=i, j=j)

    return run
