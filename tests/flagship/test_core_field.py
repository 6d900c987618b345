# SPDX-License-Identifier: Apache-2.0
"""Physics: fields of plane waves, whose correlations are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noise.correlate import cross_spectra, fold
from noise.grid import Grid
from noise.lags import lag_traces
from noise.measure import peak_lags_s
from noise.normalise import Normalisation, normalise
from noise.spectra import window_spectra
from noise.stack import Stack
from noise.synthetic import (
    Field,
    bursts,
    distances_km,
    expected_traces,
    plane_waves,
    stations_in_disc,
    waveform_correlations,
)
from noise.tiles import Tiling

Array = NDArray[Any]
FIELD = Field(rate_hz=20.0, duration_s=3600.0, band_hz=(0.1, 1.0), speed_km_s=3.0)
GRID = Grid(rate_hz=20.0, window_s=60.0, overlap=0.5, max_lag_s=30.0, band_hz=(0.1, 1.0))


def agreement(found: Any, positions_km: Array) -> float:
    """Median, over pairs, of the correlation coefficient with the expected waveform."""
    distances = distances_km(positions_km, found.i, found.j)
    expected = expected_traces(distances, GRID, band_hz=FIELD.band_hz, speed_km_s=FIELD.speed_km_s)
    return float(np.median(waveform_correlations(found.traces, expected)))


@pytest.mark.parametrize(("whitening", "measured"), [("none", 0.71), ("phase", 0.65), ("running-mean", 0.70)])
def test_an_hour_of_an_isotropic_field_gives_the_bessel_function(
    correlations: Any, whitening: str, measured: float
) -> None:
    stations = stations_in_disc(64, radius_km=30.0, seed=1)
    record = plane_waves(stations, FIELD, seed=(7, 0))

    found = correlations(record, GRID, whitening=whitening, smooth_bins=5, tile_stations=64)

    assert len(found.traces) == 2016
    assert agreement(found, stations) >= 0.6
    assert agreement(found, stations) == pytest.approx(measured, abs=0.02)


def test_six_hours_come_closer() -> None:
    stations, stack, tiling = stations_in_disc(20, radius_km=30.0, seed=0), Stack(), Tiling(stations=20)
    positions, i, j = tiling.pairs()
    for hour in range(6):
        record = plane_waves(stations, FIELD, seed=(0, hour))
        spectra, weights = window_spectra(record, np.ones(record.shape, bool), GRID, whitening="none")
        stack.add(hour, (cross_spectra(spectra, tiling), fold(weights, tiling)))
    total = stack.total()
    assert total is not None

    cross, counts = total
    traces = lag_traces(cross, counts, GRID, positions=positions)
    distances = distances_km(stations, i, j)
    expected = expected_traces(distances, GRID, band_hz=FIELD.band_hz, speed_km_s=FIELD.speed_km_s)
    coefficients = waveform_correlations(traces, expected)

    assert np.median(coefficients) >= 0.89
    assert np.median(coefficients[distances < 10]) >= 0.95
    assert np.median(np.abs(peak_lags_s(traces, rate_hz=20.0)) - np.abs(peak_lags_s(expected, rate_hz=20.0))) == 0.0


@pytest.mark.parametrize("azimuth_deg", [0.0, 77.0, 200.0])
def test_one_plane_wave_arrives_when_geometry_says(correlations: Any, azimuth_deg: float) -> None:
    """At the nearest sample for every pair, and a parabola through the peak hits it to 1 ms.

    The wave travels from i to j if j lies further along its way.
    """
    stations = stations_in_disc(20, radius_km=20.0, seed=3)
    field = Field(duration_s=1800.0, azimuth_deg=azimuth_deg)
    way = np.array([np.sin(np.radians(azimuth_deg)), np.cos(np.radians(azimuth_deg))])

    found = correlations(plane_waves(stations, field, seed=4), GRID, whitening="none", tile_stations=8)

    expected = (stations[found.j] - stations[found.i]) @ way / field.speed_km_s
    assert len(expected) == 190
    peaks = peak_lags_s(found.traces, rate_hz=20.0)
    pair, at = np.arange(190), np.round(peaks * 20.0).astype(int) + GRID.max_lag
    before, top, after = (found.traces[pair, at + k].astype(float) for k in (-1, 0, 1))
    parabola = peaks + 0.5 * (before - after) / (before - 2 * top + after) / 20.0
    assert np.abs(peaks - expected).max() <= 0.025 + 0.001
    assert np.abs(parabola - expected).max() <= 0.001


def test_a_late_clock_moves_the_peak_by_as_much(correlations: Any) -> None:
    stations = np.array([[0.0, 0.0], [0.0, 6.0]])  # 2 s along the way of the wave
    field = Field(duration_s=900.0, azimuth_deg=0.0)
    record = plane_waves(stations, field, seed=5, clock_shift_s=np.array([0.0, 0.5]))

    found = correlations(record, GRID, whitening="phase")

    assert peak_lags_s(found.traces, rate_hz=20.0).tolist() == [2.5]


def test_gains_do_not_survive_whitening(correlations: Any) -> None:
    stations = stations_in_disc(6, radius_km=10.0, seed=6)
    record = plane_waves(stations, Field(duration_s=600.0), seed=6)
    gains = np.array([1.0, -3.0, 1e-3, 7.0, 1e5, 0.2])[:, None]

    plain = correlations(record, GRID, whitening="phase", dtype=np.float64)
    gained = correlations(record * gains, GRID, whitening="phase", dtype=np.float64)

    sign = (np.sign(gains[plain.i]) * np.sign(gains[plain.j])).astype(float)
    assert gained.traces == pytest.approx(plain.traces * sign, abs=1e-9)


def test_incoherent_noise_leaves_the_waveform(correlations: Any) -> None:
    """As strong as the field itself, it costs some of the agreement, and no more."""
    stations = stations_in_disc(16, radius_km=15.0, seed=1)
    record = plane_waves(stations, FIELD, seed=1)
    alone = np.random.default_rng(2).standard_normal(record.shape) * np.sqrt(10 / 0.9)  # RMS 1 between 0.1 and 1 Hz

    clean = agreement(correlations(record, GRID, whitening="none"), stations)
    noisy = agreement(correlations(record + alone, GRID, whitening="none"), stations)

    assert clean >= 0.8
    assert 0.4 <= noisy <= clean - 0.1


@pytest.mark.parametrize(
    ("method", "lowest", "highest"), [("none", -0.2, 0.2), ("one-bit", 0.7, 1), ("running-mean", 0.7, 1)]
)
def test_earthquakes_drown_a_plain_correlation_and_no_normalised_one(
    correlations: Any, method: Normalisation, lowest: float, highest: float
) -> None:
    """10 of them in the hour, 50 times as high as the noise, all from one side."""
    stations = stations_in_disc(16, radius_km=15.0, seed=1)
    record = plane_waves(stations, FIELD, seed=1) + bursts(stations, FIELD, seed=1, count=10, amplitude=50.0)
    mask = np.ones(record.shape, bool)

    normalised = normalise(record, mask, method=method, rate_hz=20.0, running_s=5.0)

    assert lowest <= agreement(correlations(normalised, GRID, whitening="none"), stations) <= highest


def test_a_gappy_hour_still_gives_the_bessel_function(correlations: Any) -> None:
    stations = stations_in_disc(16, radius_km=15.0, seed=1)
    record = plane_waves(stations, FIELD, seed=1)
    mask = np.ones(record.shape, bool)
    for station, start in enumerate(np.random.default_rng(3).integers(0, 60_000, 16)):
        mask[station, start : start + 12_000] = False  # ten minutes
    record[~mask] = 1e6

    found = correlations(record, GRID, mask=mask, whitening="none")

    assert 70 <= found.counts.min() < found.counts.max() <= 99
    assert agreement(found, stations) >= 0.75


def test_a_record_can_be_made_again() -> None:
    stations, field = stations_in_disc(3, radius_km=5.0, seed=9), Field(duration_s=60.0)

    assert plane_waves(stations, field, seed=(1, 2)).tobytes() == plane_waves(stations, field, seed=(1, 2)).tobytes()
    assert not np.array_equal(plane_waves(stations, field, seed=(1, 2)), plane_waves(stations, field, seed=(1, 3)))


def test_a_record_has_unit_rms_and_lies_in_the_band() -> None:
    record = plane_waves(stations_in_disc(8, radius_km=30.0, seed=0), Field(duration_s=1200.0), seed=0)
    power = np.abs(np.fft.rfft(record)) ** 2
    frequencies = np.fft.rfftfreq(record.shape[1], 1 / 20.0)
    outside = (frequencies < 0.1 - 1e-6) | (frequencies > 1.0 + 1e-6)

    assert np.sqrt(np.mean(record**2)) == pytest.approx(1.0, abs=0.1)
    assert power[:, outside].sum() <= 1e-20 * power.sum()
