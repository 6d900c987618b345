# SPDX-License-Identifier: Apache-2.0
"""Arrivals: when, how fast, how clear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noise.errors import ParameterError, ShapeError
from noise.measure import arrivals, lag_axis_s, peak_lags_s

Array = NDArray[Any]
RATE = 10.0
LAGS = lag_axis_s(1201, RATE)  # -60 .. 60 s


def pulse(lag_s: float, amplitude: float = 1.0) -> Array:
    """Make a wavelet of 0.5 Hz that arrives at a lag."""
    away = LAGS - lag_s
    return np.asarray(amplitude * np.cos(np.pi * away) * np.exp(-((away / 2) ** 2)))


@pytest.mark.parametrize(("lag_s", "speed"), [(12.0, 0.75), (-12.0, 0.75), (9.0, 1.0)])
def test_an_arrival_is_where_the_trace_is_largest(lag_s: float, speed: float) -> None:
    found = arrivals(pulse(lag_s)[None], np.array([9.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0), period_s=2.0)

    assert found.lag_s[0] == pytest.approx(lag_s, abs=1e-9)
    assert found.speed_km_s[0] == pytest.approx(speed)


def test_the_snr_is_the_peak_over_the_rms_of_the_later_lags_of_both_sides() -> None:
    """The signal may come until 9 km / 0.5 km/s = 18 s; the noise starts one period of 2 s after that."""
    trace = pulse(12.0, amplitude=3.0) + np.random.default_rng(0).standard_normal(1201) * 0.01
    later = trace[np.abs(LAGS) > 20.0]
    peak = np.abs(trace[(np.abs(LAGS) >= 4.5) & (np.abs(LAGS) <= 18.0)]).max()

    found = arrivals(trace[None], np.array([9.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0), period_s=2.0)

    assert found.snr[0] == pytest.approx(peak / np.sqrt(np.mean(later**2)), rel=1e-9)
    assert 280 < found.snr[0] < 320


@pytest.mark.parametrize(("longest_s", "told"), [(60.0, True), (22.0, True), (21.0, False), (20.1, False)])
def test_less_than_a_period_of_noise_on_either_side_gives_no_ratio(longest_s: float, told: bool) -> None:
    """The noise of 9 km begins at 18 s + one period of 2 s; a sample or two of it may be anything, and the ratio a thousand."""
    keep = np.abs(LAGS) <= longest_s + 0.01
    trace = pulse(12.0) + np.random.default_rng(0).standard_normal(1201) * 0.01

    found = arrivals(trace[None, keep], np.array([9.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0), period_s=2.0)

    assert bool(np.isfinite(found.snr[0])) is told
    assert found.lag_s[0] == pytest.approx(12.0, abs=0.1)


def test_a_stronger_pulse_outside_the_signal_window_is_no_arrival() -> None:
    trace = pulse(12.0) + pulse(0.0, 5.0) + pulse(50.0, 5.0)

    found = arrivals(trace[None], np.array([9.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0))

    assert found.lag_s[0] == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize(
    ("strong_at_s", "at_edge"),
    [
        (4.3, True),  # faster than allowed: what is left in the window is its flank
        (-4.3, True),
        (18.1, True),  # slower than allowed
        (4.5, True),  # just on the edge: what comes before it is not looked at
        (5.0, False),
        (12.0, False),
    ],
)
def test_a_maximum_at_the_edge_of_the_signal_window_is_marked(strong_at_s: float, at_edge: bool) -> None:
    """The window of 9 km is 4.5 to 18 s."""
    trace = pulse(strong_at_s) + pulse(10.0, 0.1)

    found = arrivals(trace[None], np.array([9.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0))

    assert found.at_edge.tolist() == [at_edge]


def test_the_end_of_the_lags_is_an_edge_and_zero_lag_is_none() -> None:
    """45 km at 0.5 km/s would be 90 s; a pair of 50 m has its window on both sides of zero at once, and one of 0 m has none."""
    traces = np.stack([pulse(60.0), pulse(0.0), pulse(0.0), np.full(1201, np.nan)])

    found = arrivals(traces, np.array([45.0, 0.05, 0.0, 9.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0))

    assert found.at_edge.tolist() == [True, False, False, False]


def test_what_cannot_be_told_is_nan() -> None:
    """No data; a signal window that leaves no lag for the noise; one beyond the longest lag; no distance."""
    traces = np.stack([np.full(1201, np.nan), pulse(50.0), pulse(50.0), pulse(0.0)])

    found = arrivals(traces, np.array([9.0, 45.0, 300.0, 0.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0))

    assert np.isnan(found.lag_s).tolist() == [True, False, True, False]
    assert np.isnan(found.snr).tolist() == [True, True, True, False]
    assert np.isnan(found.speed_km_s).tolist() == [True, False, True, True]


def test_the_peak_lag_is_that_of_the_largest_absolute_value() -> None:
    assert peak_lags_s(np.stack([pulse(3.0), -pulse(-7.5)]), rate_hz=RATE) == pytest.approx([3.0, -7.5])


def test_speeds_that_fall_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"speeds_km_s is 2.0..0.5"):
        arrivals(pulse(0.0)[None], np.array([1.0]), rate_hz=RATE, speeds_km_s=(2.0, 0.5))


def test_a_distance_too_few_is_refused() -> None:
    with pytest.raises(ShapeError, match="do not fit 1 distances"):
        arrivals(np.zeros((2, 11)), np.array([1.0]), rate_hz=RATE, speeds_km_s=(0.5, 2.0))
