# SPDX-License-Identifier: Apache-2.0
"""Temporal normalisation, against its definitions written out sample by sample."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from noise.errors import ParameterError, ShapeError
from noise.normalise import Normalisation, clip, normalise, one_bit, running_absolute_mean

Array = NDArray[Any]
METHODS = get_args(Normalisation)


def everything(samples: Array) -> Array:
    return np.ones(samples.shape, bool)


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def test_one_bit_keeps_the_sign() -> None:
    samples = np.array([[-3.0, 0.0, 1e-300, 7.0]])

    assert one_bit(samples, everything(samples)).tolist() == [[-1.0, 0.0, 1.0, 1.0]]


def test_the_running_mean_is_over_the_samples_that_exist() -> None:
    """At an end and beside a gap there are fewer than 2 N + 1; an absent sample, whatever it holds, does not count."""
    samples, mask = noise(1, 60), np.ones((1, 60), bool)
    mask[0, 20:25] = False
    samples[0, 22] = 1e9
    expected = []
    for n in range(60):
        near = [abs(samples[0, k]) for k in range(max(0, n - 4), min(60, n + 5)) if mask[0, k]]
        expected.append(samples[0, n] / (sum(near) / len(near)) if mask[0, n] else 0.0)

    assert running_absolute_mean(samples, mask, half_width=4)[0] == pytest.approx(expected, rel=1e-12, abs=0)


def test_a_running_mean_of_one_sample_is_one_bit() -> None:
    samples = noise(2, 500)

    assert running_absolute_mean(samples, everything(samples), half_width=0) == pytest.approx(
        np.sign(samples), abs=1e-9
    )


def test_the_running_mean_forgets_an_earthquake() -> None:
    """Cumulative sums must not leave a trace of large values behind them."""
    quiet = noise(1, 4000)
    loud = quiet.copy()
    loud[0, 1000:1100] *= 1e6

    result = running_absolute_mean(loud, everything(loud), half_width=50)
    expected = running_absolute_mean(quiet, everything(quiet), half_width=50)

    assert result[0, 1200:] == pytest.approx(expected[0, 1200:], rel=1e-6)


def test_silence_stays_silent() -> None:
    silence = np.zeros((1, 100))

    for method in METHODS:
        assert normalise(silence, everything(silence), method=method, rate_hz=10.0).tolist() == [[0.0] * 100]


def test_clipping_is_at_a_multiple_of_the_rms_of_the_quiet_samples() -> None:
    samples = noise(1, 10_000)
    low, high = np.percentile(samples, [1, 99])
    quiet = samples[(samples >= low) & (samples <= high)]
    level = 2.0 * np.sqrt(np.mean(quiet**2))

    result = clip(samples, everything(samples), times_rms=2.0)

    assert result.max() == pytest.approx(level, rel=1e-12)
    assert result.min() == pytest.approx(-level, rel=1e-12)
    inside = np.abs(samples) < level
    assert np.array_equal(result[inside], samples[inside])


def test_an_earthquake_does_not_raise_the_level_it_is_clipped_at() -> None:
    samples = noise(1, 10_000)
    before = clip(samples, everything(samples), times_rms=3.0).max()
    samples[0, 5000:5050] = 1e6

    assert clip(samples, everything(samples), times_rms=3.0).max() == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_absent_becomes_zero_and_what_is_not_finite_stays_so(method: Normalisation) -> None:
    """A NaN in real data must still cost the windows it lies in, so it may not turn into a number here."""
    samples, mask = noise(1, 200), np.ones((1, 200), bool)
    mask[0, 10:20] = False
    samples[0, 15] = np.nan
    samples[0, 50] = np.nan
    samples[0, 51] = np.inf

    result = normalise(samples, mask, method=method, rate_hz=10.0, running_s=1.0)

    assert result[0, 10:20].tolist() == [0.0] * 10
    assert np.flatnonzero(np.isnan(result[0])).tolist() == [50, 51]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_station_is_normalised_by_itself(method: Normalisation, dtype: type) -> None:
    samples: Array = noise(5, 3000).astype(dtype)
    mask = np.random.default_rng(1).random((5, 3000)) > 0.01
    together = normalise(samples, mask, method=method, rate_hz=20.0)
    alone = [normalise(samples[k : k + 1], mask[k : k + 1], method=method, rate_hz=20.0) for k in range(5)]

    assert together.dtype == dtype
    assert together.tobytes() == np.concatenate(alone).tobytes()


def test_what_it_is_given_is_not_changed() -> None:
    samples = noise(1, 300)
    before = samples.copy()
    for method in METHODS:
        normalise(samples, everything(samples), method=method, rate_hz=10.0, clip_rms=0.1)

    assert np.array_equal(samples, before)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"method": "two-bit"}, "method is 'two-bit'; it must be one of none, one-bit, running-mean, clip"),
        ({"method": "clip", "clip_rms": 0.0}, "clip_rms is 0.0"),
        ({"method": "running-mean", "running_s": -1.0}, "running_s"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        normalise(noise(1, 100), np.ones((1, 100), bool), rate_hz=10.0, **wrong)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 100\) and mask \(1, 99\)"):
        one_bit(noise(1, 100), np.ones((1, 99), bool))
