# SPDX-License-Identifier: Apache-2.0
"""All parameters of a run, checked once, and the sizes that follow from them.

Everything that decides a bit of the result is here; the number of processes is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_args

from noise.archive import NANO, DataError
from noise.errors import ParameterError
from noise.grid import Grid
from noise.normalise import Normalisation
from noise.spectra import Whitening
from noise.tiles import Tiling

SPAN_STEP_S = 8  # spans are multiples of it, so that rates such as 62.5 and 31.25 Hz have whole numbers of samples, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Parameters with units; workflow.toml explains each."""

    data: str
    output: str
    start: str
    end: str
    channels: str
    response: str
    stations: str
    corrupt: str
    rate_hz: float
    band_hz: tuple[float, float]
    edge_hz: float
    normalisation: Normalisation
    running_s: float
    clip_rms: float
    window_s: float
    overlap: float
    whitening: Whitening
    whitening_hz: float
    max_lag_s: float
    speeds_km_s: tuple[float, float]
    segment_s: float
    block: int
    slabs: int
    tile: int
    memory_gb: float = 0.0  # decides no bit

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Make settings of parameters as they are written: bands as lists, paths relative to the working directory.

        Raises ParameterError, or DataError for a file that is named and not there.
        """
        for name in ("band_hz", "speeds_km_s"):
            given[name] = _two_numbers(name, given[name])
        if not given["output"]:
            raise ParameterError("output is empty; name a folder for the stacks and the pictures.")
        for name in ("data", "output", "response", "stations"):
            given[name] = str(Path(given[name]).absolute()) if given[name] else ""
        for name in ("response", "stations"):
            if given[name] and not Path(given[name]).is_file():
                raise DataError(f"There is no file {given[name]!r}; mend {name}.")
        return cls(**given)

    def __post_init__(self) -> None:
        _one_of("corrupt", self.corrupt, ("skip", "fail"))
        _one_of("normalisation", self.normalisation, get_args(Normalisation))
        _one_of("whitening", self.whitening, get_args(Whitening))
        for name in ("block", "slabs", "tile"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        self._check_numbers()
        self._check_band()
        self._check_times()

    def _check_numbers(self) -> None:
        for name in ("rate_hz", "running_s", "clip_rms", "whitening_hz", "segment_s", "memory_gb"):
            if not math.isfinite(getattr(self, name)):
                raise ParameterError(f"{name} is {getattr(self, name)}; it must be a finite number.")
        for name in ("running_s", "clip_rms", "whitening_hz"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} is {getattr(self, name)}; it must be above 0.")
        if self.memory_gb < 0:
            raise ParameterError(
                f"memory_gb is {self.memory_gb}; it must be 0 or more, and 0 is what this machine has."
            )
        if not self.rate_hz > 0 or not (self.rate_hz * SPAN_STEP_S).is_integer():
            raise ParameterError(f"rate_hz is {self.rate_hz}; it must be a multiple of 0.125 Hz above 0, such as 20.")
        if self.whitening_hz > self.rate_hz / 2:
            raise ParameterError(
                f"whitening_hz is {self.whitening_hz}; it must be at most {self.rate_hz / 2:g} Hz (Nyquist)."
            )
        if not self.segment_s >= 1 or not float(self.segment_s).is_integer():
            raise ParameterError(f"segment_s is {self.segment_s}; a segment is a whole number of seconds.")
        if self.running_s > self.segment_s:
            raise ParameterError(f"running_s is {self.running_s}; it must be at most segment_s, {self.segment_s:g} s.")

    def _check_band(self) -> None:
        low, high = self.band_hz
        if not 0 < low < high:
            raise ParameterError(f"band_hz is {low}..{high}; it must rise and be above 0 Hz.")
        _ = self.grid  # checks windows, lags and the upper end
        if low * self.window_s < 1:
            raise ParameterError(
                f"band_hz begins at {low:g} Hz; a period of {1 / low:g} s does not fit into a window of {self.window_s:g} s."
            )
        if (high - low) * self.window_s < 1:
            raise ParameterError(
                f"band_hz is {high - low:.4g} Hz wide; a window of {self.window_s:g} s tells {1 / self.window_s:.4g} Hz apart: widen it."
            )
        if not 0 < self.speeds_km_s[0] < self.speeds_km_s[1] < math.inf:
            raise ParameterError(
                f"speeds_km_s is {self.speeds_km_s[0]}..{self.speeds_km_s[1]}; it must rise and be above 0 km/s."
            )

    def _check_times(self) -> None:
        if self.grid.max_lag < 1:
            raise ParameterError(
                f"max_lag_s is {self.max_lag_s}; it must be {1 / self.rate_hz:g} s, one sample, or more."
            )
        step = self.grid.step
        if round(self.segment_s * self.rate_hz) % step:
            raise ParameterError(
                f"segment_s is {self.segment_s}; it must be a multiple of {step / self.rate_hz:g} s, the step from window to window."
            )
        start, end = self.start_ns, self.end_ns
        if start is None or end is None:
            return
        if not start < end:
            raise ParameterError(f"end is {self.end!r}; it must be later than start, {self.start!r}.")
        if (end - start) / NANO < self.window_s:
            raise ParameterError(
                f"end is {(end - start) / NANO:g} s after start; no window of {self.window_s:g} s fits: move end, or shorten window_s."
            )

    @property
    def grid(self) -> Grid:
        """Windows, bins and lags, the bins cut into the slabs asked for (or fewer, if there are fewer bins)."""
        whole = Grid(
            rate_hz=self.rate_hz,
            window_s=self.window_s,
            overlap=self.overlap,
            max_lag_s=self.max_lag_s,
            band_hz=self.band_hz,
            edge_hz=self.edge_hz,
        )
        return Grid(
            rate_hz=self.rate_hz,
            window_s=self.window_s,
            overlap=self.overlap,
            max_lag_s=self.max_lag_s,
            band_hz=self.band_hz,
            edge_hz=self.edge_hz,
            slab_bins=math.ceil(whole.bins / self.slabs),
        )

    def tiling(self, stations: int) -> Tiling:
        """Where the pairs of so many stations lie."""
        return Tiling(stations=stations, tile_stations=self.tile)

    def as_json(self) -> dict[str, Any]:
        """The parameters that decide the result, as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name not in ("output", "memory_gb")
        }

    @property
    def start_ns(self) -> int | None:
        """Start of the time asked for; None for the first sample there is."""
        return _moment("start", self.start)

    @property
    def end_ns(self) -> int | None:
        """End of the time asked for; None for the last sample there is."""
        return _moment("end", self.end)

    @property
    def span(self) -> Span:
        """How much is read for a segment."""
        grid = self.grid
        overhang = grid.window - grid.step
        low, high = self.band_hz
        decay = 1 / (2 * math.pi * math.sin(math.pi / 8) * min(low, (high - low) / 2))
        margin = 30 * decay + (self.running_s if self.normalisation == "running-mean" else 0)
        least = self.segment_s + overhang / self.rate_hz + 2 * margin
        seconds = _smooth(math.ceil(least / SPAN_STEP_S)) * SPAN_STEP_S
        return Span(
            seconds=seconds,
            lead_s=int(seconds - self.segment_s - overhang / self.rate_hz) // 2,
            segment_s=int(self.segment_s),
            taper_s=10 * decay,
            guard_s=10 * decay,
            own=round(self.segment_s * self.rate_hz) + overhang,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The stretch of time that is read and filtered for one segment: lead, segment, overhang of the last window, and a tail.

    The band-pass forgets as exp(-t / decay), with decay = 1 / (2 pi sin(pi / 8) min(low, (high - low) / 2)), 1 s for a low end of 0.4 Hz.
    Each side has at least 30 decays of real data: 10 for the taper and 20 for the filter, so what a segment's borders do to its
    windows is e^-20 = 2e-9, below the rounding of float32. A gap inside is guarded by 10 decays (5e-5).
    """

    seconds: int
    lead_s: int  # before the segment
    segment_s: int
    taper_s: float  # cosine taper at each end
    guard_s: float  # absent around each gap
    own: int  # samples at the common rate: the segment and the overhang of its last window

    def start_ns(self, segment_start_ns: int) -> int:
        """Time of the first sample."""
        return segment_start_ns - self.lead_s * NANO


def _smooth(number: int) -> int:
    """Return the next number without a prime factor above 7: transforms of such lengths are fast at every usual rate."""
    while True:
        rest = number
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return number
        number += 1


def _moment(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ParameterError(f"{name} is {text!r}; write it as 2010-09-01 or 2010-09-01T12:00:00, in UTC.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * NANO + since.microseconds * 1000


def _two_numbers(name: str, values: Sequence[Any]) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in values)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} is {list(values)}; it takes two numbers, such as [0.5,2].") from None
    return low, high


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ParameterError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
