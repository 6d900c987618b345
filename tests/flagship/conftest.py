# SPDX-License-Identifier: Apache-2.0
"""The flagship's package stands beside its workflow: here it becomes importable, and runs from samples to traces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import obspy
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


def record(station: str, *, start: str = "2020-01-01", seconds: float = 300.0, rate: float = 20.0) -> obspy.Trace:
    """White noise of a station XX, its own whatever else is made."""
    header = {
        "network": "XX",
        "station": station,
        "location": "00",
        "channel": "HHZ",
        "sampling_rate": rate,
        "starttime": obspy.UTCDateTime(start),
    }
    values = np.random.default_rng(list(station.encode())).normal(0, 1000, round(seconds * rate))
    return obspy.Trace(values.astype(np.int32), header)


@pytest.fixture
def two_stations(tmp_path: Path) -> Path:
    """A folder with five minutes of A and B at 20 Hz, 2020-01-01, without coordinates."""
    folder = tmp_path / "two"
    folder.mkdir()
    for station in "AB":
        record(station).write(str(folder / f"{station}.mseed"), format="MSEED")
    return folder


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
