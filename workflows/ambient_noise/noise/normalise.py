# SPDX-License-Identifier: Apache-2.0
"""Temporal normalisation: no earthquake may outweigh a day of noise.

Every function leaves absent samples at zero, never lets them count, and treats each station by itself.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from noise.errors import ParameterError
from noise.masks import usable

Array = NDArray[Any]
Normalisation = Literal["none", "one-bit", "running-mean", "clip"]


def normalise(
    samples: Array,
    mask: Array,
    *,
    method: Normalisation,
    rate_hz: float,
    running_s: float = 10.0,
    clip_rms: float = 3.0,
) -> Array:
    """Normalise the amplitudes of a block of stations.

    samples: float, (stations, n). mask: bool, (stations, n), True where there is real data. method: "none", "one-bit",
    "running-mean" (running_s: half-width of the mean in seconds, about half the longest period) or "clip" (at clip_rms
    times the RMS). Returns samples of the same shape and type, 0 where absent, NaN where they were not finite, so that
    windows are still dropped for them. Raises ParameterError for a method or width that cannot be.
    """
    match method:
        case "none":
            result = usable(samples, mask)[0]
        case "one-bit":
            result = one_bit(samples, mask)
        case "running-mean":
            result = running_absolute_mean(samples, mask, half_width=round(running_s * rate_hz))
        case "clip":
            result = clip(samples, mask, times_rms=clip_rms)
        case _:
            raise ParameterError(f"method is {method!r}; it must be one of {', '.join(get_args(Normalisation))}.")
    result[mask & ~np.isfinite(samples)] = np.nan
    return result


def one_bit(samples: Array, mask: Array) -> Array:
    """Keep the sign alone: -1, 0, 1. Campillo and Paul 2003; Bensen et al. 2007, section 2."""
    return np.asarray(np.sign(usable(samples, mask)[0]))


def running_absolute_mean(samples: Array, mask: Array, *, half_width: int) -> Array:
    """Divide each sample by the mean absolute amplitude of the 2 half_width + 1 samples around it.

    At the ends of the block and beside gaps the mean is over those samples that exist. Where it is zero so is the
    result. Bensen et al. 2007, eq. 1 and 2.
    """
    if half_width < 0:
        raise ParameterError(f"running_s gives a half-width of {half_width} samples; it must be 0 or more.")
    values, good = usable(samples, mask)
    amplitude = _running_sum(np.abs(values), half_width)
    amplitude /= np.maximum(_running_sum(good, half_width), 1)
    result = np.zeros(values.shape)
    np.divide(values, amplitude, out=result, where=amplitude > 0)
    return result.astype(values.dtype)


def clip(samples: Array, mask: Array, *, times_rms: float) -> Array:
    """Clip each station at a multiple of its RMS, taken over the samples between the 1st and the 99th percentile.

    Sabra et al. 2005; the percentiles keep an earthquake from raising the level it is clipped at.
    """
    if not times_rms > 0:
        raise ParameterError(f"clip_rms is {times_rms}; it must be above 0.")
    values, good = usable(samples, mask)
    for row, real in zip(values, good, strict=True):
        if real.any():
            level = times_rms * _quiet_rms(row[real])
            np.clip(row, -level, level, out=row)
    return values


def _running_sum(values: Array, half_width: int) -> Array:
    """Sum of the up to 2 half_width + 1 values around each, as a difference of cumulative sums in float64."""
    n = values.shape[1]
    total = np.zeros((values.shape[0], n + 1))
    np.cumsum(values, axis=1, dtype=np.float64, out=total[:, 1:])
    centre = np.arange(n)
    upper = np.minimum(centre + half_width + 1, n)
    lower = np.maximum(centre - half_width, 0)
    return np.asarray(total[:, upper] - total[:, lower])


def _quiet_rms(values: Array) -> float:
    low, high = np.percentile(values, (1, 99))
    quiet = values[(values >= low) & (values <= high)].astype(np.float64)
    return float(np.sqrt(np.mean(quiet * quiet)))
