# SPDX-License-Identifier: Apache-2.0
"""Which samples and windows can be used: the one place that decides what a gap costs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import ShapeError

Array = NDArray[Any]


def usable(samples: Array, mask: Array) -> tuple[Array, Array]:
    """Zero every sample that is absent or not finite.

    samples: float, (stations, n). mask: bool, (stations, n), True where there is real data.
    Returns a copy of the samples and the mask of those that count. Raises ShapeError if the two disagree.
    """
    if samples.ndim != 2 or samples.shape != mask.shape:
        raise ShapeError(f"samples {samples.shape} and mask {mask.shape} must both be (stations, n).")
    good = mask.astype(bool) & np.isfinite(samples)
    return np.where(good, samples, samples.dtype.type(0)), good


def window_starts(n: int, *, window: int, step: int) -> Array:
    """First sample of each window that lies wholly in a block of n samples."""
    return np.arange(0, max(0, n - window + 1), step)


def whole_windows(samples: Array, good: Array, *, window: int, step: int) -> Array:
    """Tell the windows that can be correlated: no sample absent, and not one constant value (a dead channel).

    samples, good: (stations, n), as `usable` returns them. Returns bool, (stations, windows).
    """
    starts = window_starts(samples.shape[1], window=window, step=step)
    absent = _running_count(~good)
    changes = _running_count(samples[:, 1:] != samples[:, :-1])
    whole = absent[:, starts + window] == absent[:, starts]
    alive = changes[:, starts + window - 1] > changes[:, starts]
    return np.asarray(whole & alive)


def _running_count(flags: Array) -> Array:
    counts = np.zeros((flags.shape[0], flags.shape[1] + 1), dtype=np.int64)
    np.cumsum(flags, axis=1, out=counts[:, 1:])
    return counts
