# SPDX-License-Identifier: Apache-2.0
"""What a lag trace says: when the energy arrives, how fast it came, and how far it stands above the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import ParameterError, ShapeError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """One number a pair each; NaN where it cannot be told."""

    lag_s: Array  # of the largest |C| in the signal window; its sign is the side: positive from i to j
    speed_km_s: Array  # distance / |lag_s|: the apparent speed of that peak
    snr: Array  # that |C| / RMS of the trailing noise
    at_edge: Array  # bool: that |C| is the first or last of its window, and may rise further outside: no peak


def arrivals(
    traces: Array,
    distances_km: Array,
    *,
    rate_hz: float,
    speeds_km_s: tuple[float, float],
    period_s: float = 0.0,
) -> Arrivals:
    """Measure the arrival on each trace.

    traces: (pairs, lags), zero lag in the middle. distances_km: (pairs,). speeds_km_s: slowest and fastest that a
    signal may have. period_s: the longest period kept. The signal window is distance / fastest to distance / slowest on
    both sides of zero (or the nearest sample); the noise is all lags on both sides that come a period or more after it.
    SNR is NaN if they last less than a period a side: a few samples may be anything. No pair of one place is at an edge: it has no window. Raises ShapeError if traces and distances disagree. Bensen et al. 2007, section 3.
    """
    slowest, fastest = speeds_km_s
    if not 0 < slowest < fastest:
        raise ParameterError(f"speeds_km_s is {slowest}..{fastest}; it must rise and be above 0 km/s.")
    if traces.ndim != 2 or traces.shape[0] != distances_km.size:
        raise ShapeError(f"traces {traces.shape} do not fit {distances_km.size} distances.")
    lags = lag_axis_s(traces.shape[1], rate_hz)
    delay = np.abs(lags)[None, :]
    half_sample = 0.5 / rate_hz
    first = (distances_km / fastest)[:, None] - half_sample
    last = (distances_km / slowest)[:, None] + half_sample
    signal = (delay >= first) & (delay <= last)
    noise = delay > last + period_s
    enough = noise.sum(axis=1) >= 2 * period_s * rate_hz
    height = np.where(signal, np.abs(traces), -1.0)
    at, peak = np.argmax(height, axis=1), np.max(height, axis=1)
    inside = np.pad(signal, ((0, 0), (1, 1)))  # the axis of lags ends the window, too
    pairs = np.arange(len(at))
    flank = ~(inside[pairs, at] & inside[pairs, at + 2])
    lag = np.where(signal.any(axis=1) & np.isfinite(traces).all(axis=1), lags[at], np.nan)
    return Arrivals(
        lag_s=lag,
        speed_km_s=_ratio(distances_km, np.abs(lag)),
        snr=np.where(enough & np.isfinite(lag), _ratio(peak, _rms(traces, noise)), np.nan),
        at_edge=flank & np.isfinite(lag) & (distances_km > 0),
    )


def peak_lags_s(traces: Array, *, rate_hz: float) -> Array:
    """Lag of the sample with the largest absolute value of each trace: (pairs,)."""
    return np.asarray(lag_axis_s(traces.shape[1], rate_hz)[np.argmax(np.abs(traces), axis=1)])


def lag_axis_s(lags: int, rate_hz: float) -> Array:
    """The lags of a trace of that length, zero in the middle."""
    return (np.arange(lags) - lags // 2) / rate_hz


def _rms(traces: Array, chosen: Array) -> Array:
    energy = np.sum(np.where(chosen, traces.astype(np.float64), 0.0) ** 2, axis=1)
    return np.sqrt(_ratio(energy, chosen.sum(axis=1)))


def _ratio(one: Array, other: Array) -> Array:
    result = np.full(one.shape, np.nan)
    np.divide(one, other, out=result, where=other > 0)
    return result
