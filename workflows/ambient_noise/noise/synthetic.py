# SPDX-License-Identifier: Apache-2.0
"""Noise with a known answer: plane waves from far away, and the correlation they must give.

In a field isotropic in azimuth, E[S_ij(f)] = P(f) J0(2 pi f r / c) (Aki 1957; Cox 1973; Tsai and Moschetti 2010).
Everything is seeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import j0

from noise.grid import Grid

Array = NDArray[Any]
Seed = int | Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of plane waves with independent Gaussian spectra, flat within a band."""

    rate_hz: float = 20.0
    duration_s: float = 3600.0
    band_hz: tuple[float, float] = (0.1, 1.0)
    speed_km_s: float = 3.0
    waves: int = 360  # evenly spaced in azimuth; enough while pi * aperture * frequency / speed is below half of it
    azimuth_deg: float | None = None  # None: all around. Else every wave travels this way, clockwise from north

    @property
    def samples(self) -> int:
        return round(self.rate_hz * self.duration_s)

    def directions(self) -> Array:
        """Unit vectors, east and north, in which the waves travel: (waves, 2)."""
        if self.azimuth_deg is None:
            azimuth = 2 * np.pi * np.arange(self.waves) / self.waves
        else:
            azimuth = np.full(1, np.radians(self.azimuth_deg))
        return np.stack([np.sin(azimuth), np.cos(azimuth)], axis=1)


def stations_in_disc(count: int, *, radius_km: float, seed: Seed) -> Array:
    """Scatter stations evenly over a disc: (count, 2), km east and north of its centre."""
    rng = np.random.default_rng(seed)
    radius = radius_km * np.sqrt(rng.random(count))
    azimuth = 2 * np.pi * rng.random(count)
    return np.stack([radius * np.sin(azimuth), radius * np.cos(azimuth)], axis=1)


def distances_km(positions_km: Array, i: Array, j: Array) -> Array:
    """Distance of each pair of stations: (pairs,)."""
    return np.asarray(np.hypot(*(positions_km[j] - positions_km[i]).T))


def plane_waves(positions_km: Array, field: Field, *, seed: Seed, clock_shift_s: Array | None = None) -> Array:
    """Record the field at some stations: float64, (stations, samples), of RMS about 1.

    clock_shift_s: (stations,), how much later than it happened each station writes everything down.
    Built in the frequency domain, so the record is periodic.
    """
    rng = np.random.default_rng(seed)
    delay = positions_km @ field.directions().T / field.speed_km_s
    if clock_shift_s is not None:
        delay = delay + clock_shift_s[:, None]
    resolution = field.rate_hz / field.samples
    first, last = np.ceil(np.array(field.band_hz) / resolution - [1e-9, -1]).astype(int)
    waves, bins = delay.shape[1], last - first
    amplitudes = rng.standard_normal((bins, waves)) + 1j * rng.standard_normal((bins, waves))
    # The phases of a bin are those of the bin before times one fixed rotation: no exponential for each bin, station and
    # wave.
    phases = np.exp(-2j * np.pi * first * resolution * delay)
    rotation = np.exp(-2j * np.pi * resolution * delay)
    spectrum = np.zeros((len(positions_km), field.samples // 2 + 1), np.complex128)
    for k in range(bins):
        spectrum[:, first + k] = phases @ amplitudes[k]
        phases *= rotation
    spectrum *= field.samples / np.sqrt(4 * waves * bins)
    return np.asarray(fft.irfft(spectrum, n=field.samples, axis=1, workers=1))


def bursts(
    positions_km: Array,
    field: Field,
    *,
    seed: Seed,
    count: int,
    amplitude: float,
    frequency_hz: float = 0.4,
    azimuth_deg: float = 70.0,
) -> Array:
    """Earthquakes to add to a record: Ricker wavelets at random times, travelling one way. (stations, samples)."""
    origins = np.random.default_rng(seed).uniform(0, field.duration_s, count)
    azimuth = np.radians(azimuth_deg)
    delay = positions_km @ np.array([np.sin(azimuth), np.cos(azimuth)]) / field.speed_km_s
    times = np.arange(field.samples) / field.rate_hz
    record = np.zeros((len(positions_km), field.samples))
    for origin in origins:
        phase = (np.pi * frequency_hz * (times[None, :] - origin - delay[:, None])) ** 2
        record += amplitude * (1 - 2 * phase) * np.exp(-phase)
    return record


def expected_traces(distances: Array, grid: Grid, *, band_hz: tuple[float, float], speed_km_s: float) -> Array:
    """The correlation that the isotropic field must give: float64, (pairs, lags).

    distances: km, (pairs,). The integral over the field's band (as far as the grid keeps it, with the grid's weights)
    of J0(2 pi f r / c) cos(2 pi f tau), times 1 - |tau| / window: a window of finite length has fewer products at
    longer lags. The scale is arbitrary: compare waveforms.
    """
    frequencies = grid.frequencies_hz()
    power = grid.band_weights() ** 2 * ((frequencies >= band_hz[0]) & (frequencies <= band_hz[1]))
    spectrum = np.zeros((distances.size, grid.nfft // 2 + 1))
    spectrum[:, grid.kept] = power * j0(2 * np.pi * np.outer(distances, frequencies) / speed_km_s)
    circular = np.fft.irfft(spectrum, n=grid.nfft, axis=1)
    waveform = np.concatenate([circular[:, grid.nfft - grid.max_lag :], circular[:, : grid.max_lag + 1]], axis=1)
    return waveform * (1 - np.abs(grid.lag_times_s()) / grid.window_s)


def waveform_correlations(one: Array, other: Array) -> Array:
    """Correlation coefficient of each trace with its counterpart: (pairs,)."""
    product = np.sum(one * other, axis=1)
    return np.asarray(product / np.sqrt(np.sum(one * one, axis=1) * np.sum(other * other, axis=1)))
