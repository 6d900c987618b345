# SPDX-License-Identifier: Apache-2.0
"""The sizes of everything, derived once from parameters with units.

Nothing here depends on the number of processes, so neither does the order of any sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from noise.errors import ParameterError

Array = NDArray[Any]

ROUNDING = 1e-9  # of a bin: an end of the band that falls on a bin leaves it out, however the division was rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Windows in time, bins in frequency, lags of the result."""

    rate_hz: float
    window_s: float = 60.0
    overlap: float = 0.5  # the part of a window that the next one shares, 0 <= overlap < 1
    max_lag_s: float = 30.0
    band_hz: tuple[float, float] | None = None  # None: every bin from zero to Nyquist is kept
    edge_hz: float = 0.0  # width of the cos^2 edge inside each end of the band
    slab_bins: int = 64  # bins that travel together; the unit of parallel work

    def __post_init__(self) -> None:
        for name in ("rate_hz", "window_s", "overlap", "max_lag_s", "edge_hz"):
            if not math.isfinite(getattr(self, name)):
                raise ParameterError(f"{name} is {getattr(self, name)}; it must be a finite number.")
        if not self.rate_hz > 0:
            raise ParameterError(f"rate_hz is {self.rate_hz}; the sampling rate must be above 0 Hz.")
        if self.window < 2:
            raise ParameterError(
                f"window_s is {self.window_s}; a window needs two samples at {self.rate_hz} Hz, or more."
            )
        if not 0 <= self.overlap < 1:
            raise ParameterError(f"overlap is {self.overlap}; it is the shared part of a window: 0 <= overlap < 1.")
        if not 0 <= self.max_lag_s <= self.window_s:
            raise ParameterError(f"max_lag_s is {self.max_lag_s}; it must lie in 0..{self.window_s} s, the window.")
        if self.slab_bins < 1:
            raise ParameterError(f"slab_bins is {self.slab_bins}; a slab holds at least 1 bin.")
        if self.band_hz is not None:
            self._check_band(*self.band_hz)

    def _check_band(self, low: float, high: float) -> None:
        nyquist = self.rate_hz / 2
        if not 0 <= low < high <= nyquist:
            raise ParameterError(f"band_hz is {low}..{high}; it must rise and lie in 0..{nyquist} Hz (Nyquist).")
        if not 0 <= self.edge_hz <= (high - low) / 2:
            raise ParameterError(f"edge_hz is {self.edge_hz}; two edges must fit into the band of {high - low} Hz.")
        if self.bins < 1:
            raise ParameterError(
                f"band_hz is {low}..{high}; no bin lies inside (one every {self.rate_hz / self.nfft:.4g} Hz)."
            )

    @property
    def window(self) -> int:
        """Samples in a window."""
        return round(self.window_s * self.rate_hz)

    @property
    def step(self) -> int:
        """Samples from the start of a window to the start of the next."""
        return max(1, round(self.window * (1 - self.overlap)))

    @property
    def max_lag(self) -> int:
        """Samples from lag zero, which is stored at this index, to the longest lag."""
        return round(self.max_lag_s * self.rate_hz)

    @property
    def lags(self) -> int:
        """Lags of a trace: -max_lag .. max_lag."""
        return 2 * self.max_lag + 1

    @property
    def nfft(self) -> int:
        """Length of the zero-padded transform: window + max_lag or a little more, so no kept lag wraps around."""
        return int(next_fast_len(self.window + self.max_lag, real=True))

    @property
    def first_bin(self) -> int:
        """Index, among the nfft // 2 + 1 bins of the transform, of the first that is kept."""
        if self.band_hz is None:
            return 0
        return math.floor(self.band_hz[0] * self.nfft / self.rate_hz + ROUNDING) + 1

    @property
    def bins(self) -> int:
        """Bins kept: those strictly inside the band, where the weight is not zero."""
        if self.band_hz is None:
            return self.nfft // 2 + 1
        return math.ceil(self.band_hz[1] * self.nfft / self.rate_hz - ROUNDING) - self.first_bin

    @property
    def kept(self) -> slice:
        """The kept bins, as a slice of the bins of the transform."""
        return slice(self.first_bin, self.first_bin + self.bins)

    @property
    def slabs(self) -> tuple[slice, ...]:
        """The kept bins cut into slabs, as slices of the kept bins. The last may be shorter."""
        return tuple(slice(a, min(a + self.slab_bins, self.bins)) for a in range(0, self.bins, self.slab_bins))

    def windows_in(self, n: int) -> int:
        """Windows that lie wholly in a block of n samples."""
        return 0 if n < self.window else 1 + (n - self.window) // self.step

    def half_width(self, width_hz: float) -> int:
        """M such that 2 M + 1 bins are about width_hz wide: for the running mean of the whitening."""
        return max(0, round(width_hz * self.nfft / self.rate_hz / 2))

    def frequencies_hz(self) -> Array:
        """Frequency of each kept bin: float64, (bins,)."""
        return np.arange(self.kept.start, self.kept.stop) * (self.rate_hz / self.nfft)

    def lag_times_s(self) -> Array:
        """Lag of each sample of a trace: float64, (lags,); 0.0 at index max_lag. Positive: energy from i to j."""
        return np.arange(-self.max_lag, self.max_lag + 1) / self.rate_hz

    def band_weights(self) -> Array:
        """Amplitude weight of each kept bin: 1, falling as cos^2 to 0 at the ends of the band. float64, (bins,)."""
        if self.band_hz is None or self.edge_hz == 0:
            return np.ones(self.bins)
        frequencies = self.frequencies_hz()
        depth = np.minimum(frequencies - self.band_hz[0], self.band_hz[1] - frequencies) / self.edge_hz
        return np.asarray(np.cos(0.5 * np.pi * (1 - np.clip(depth, 0, 1))) ** 2)
