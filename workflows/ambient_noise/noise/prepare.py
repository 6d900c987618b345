# SPDX-License-Identifier: Apache-2.0
"""From counts at any sampling rate to filtered samples at one: a block of channels at a time, one pair of transforms.

Detrend, demean and taper work in the time domain. Instrument response, zero-phase band-pass, anti-alias filter, resampling and the
shift of a start between two samples are factors of the spectrum, so together they cost one forward and one inverse transform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from noise.archive import NANO
from noise.items import Group, Samples, Waveforms
from noise.report import Report
from noise.response import Responses
from noise.settings import Settings, Span

Array = NDArray[Any]

CORNERS = 4  # of the Butterworth band-pass, run forward and backward: |H|^2, no phase


def prepare(
    waveforms: Waveforms, settings: Settings, *, responses: Responses | None = None, dtype: Any = np.float32
) -> tuple[Samples, Report]:
    """Filter a block and bring it to the common sampling rate.

    Returns samples of the segment and the overhang of its last window, and the mask of those to be trusted: not absent, not within
    `guard_s` of an absent one, not after the end of the study. A channel without a response, where responses are asked for, is absent.
    """
    work, span = waveforms.work, settings.span
    samples = np.zeros((len(work.channels), span.own), dtype)
    mask = np.zeros(samples.shape, dtype=bool)
    report = Report()
    for group in waveforms.groups:
        gain, known = _gains(group, waveforms, settings, responses)
        for row in np.flatnonzero(~known):
            report += Report.of("no response", work.channels[group.rows[row]])
        filtered = filter_block(flattened(group, span, dtype), gain, settings)
        samples[group.rows] = filtered
        mask[group.rows] = _trusted(group, settings) & known[:, None]
    ends = round((work.end_ns - work.start_ns) / NANO * settings.rate_hz)
    mask[:, max(0, ends) :] = False
    samples *= mask
    return Samples(segment=work.segment, block=work.block, blocks=work.blocks, samples=samples, mask=mask), report


def flattened(group: Group, span: Span, dtype: Any = np.float32) -> Array:
    """Remove the least-squares line of what is there, bridge what is not by straight lines, and taper both ends."""
    result = np.empty(group.samples.shape, dtype)
    n = group.samples.shape[1]
    ramp = np.linspace(-1.0, 1.0, n)
    ends = taper(n, round(span.taper_s * group.rate_hz))
    for row, values in enumerate(group.samples):
        absent = group.absent[group.absent[:, 0] == row, 1:]
        valid = np.ones(n, dtype=bool)
        for first, last in absent:
            valid[first:last] = False
        level, slope = _line(values, ramp, valid)
        straight = values - (level + slope * ramp)
        for first, last in absent:
            _bridge(straight, first, last)
        result[row] = straight * ends
    return result


def filter_block(samples: Array, gain: Array, settings: Settings) -> Array:
    """Multiply the spectrum of each row by its gain, resample, and cut out the segment with its overhang.

    samples: (channels, n) over the span. gain: complex, (channels, bins) or (bins,), from zero frequency to the last bin kept.
    """
    span = settings.span
    n_in, n_out = samples.shape[1], round(span.seconds * settings.rate_hz)
    bins = gain.shape[-1]
    spectrum = fft.rfft(samples, axis=1, workers=1)[:, :bins]
    spectrum *= gain
    result = fft.irfft(spectrum, n=n_out, axis=1, workers=1)
    first = round(span.lead_s * settings.rate_hz)
    return np.asarray(result[:, first : first + span.own] * samples.dtype.type(n_out / n_in))


def band_pass(frequencies_hz: Array, band_hz: tuple[float, float]) -> Array:
    """Gain of a Butterworth band-pass with 4 corners run forward and backward, as a function of frequency alone.

    The analog form: the same pass band whatever the sampling rate, so channels of different rates can be correlated.
    """
    low, high = band_hz
    gain = np.zeros(len(frequencies_hz))
    f = frequencies_hz[1:] if frequencies_hz[0] == 0 else frequencies_hz
    gain[len(gain) - len(f) :] = 1 / (1 + ((f * f - low * high) / (f * (high - low))) ** (2 * CORNERS))
    return gain


def anti_alias(frequencies_hz: Array, rate_hz: float) -> Array:
    """1 up to 0.8 of the Nyquist frequency of a rate, falling as cos^2 to 0 there."""
    nyquist = rate_hz / 2
    return np.asarray(np.cos(0.5 * np.pi * np.clip((frequencies_hz / nyquist - 0.8) / 0.2, 0, 1)) ** 2)


def taper(n: int, length: int) -> Array:
    """A cosine taper of so many samples at each end."""
    window = np.ones(n)
    edge = 0.5 * (1 - np.cos(np.pi * np.arange(min(length, n // 2)) / max(1, length)))
    window[: len(edge)] = edge
    window[n - len(edge) :] = edge[::-1]
    return window


def _gains(group: Group, waveforms: Waveforms, settings: Settings, responses: Responses | None) -> tuple[Array, Array]:
    """The gain of each channel of a group, and whether its response is known."""
    span = settings.span
    nyquist = min(group.rate_hz, settings.rate_hz) / 2
    frequencies = np.arange(int(nyquist * span.seconds) + 1) / span.seconds
    common = band_pass(frequencies, settings.band_hz) * anti_alias(frequencies, min(group.rate_hz, settings.rate_hz))
    shift = np.exp(
        -2j * np.pi * frequencies * group.offsets_s[:, None]
    )  # a first sample that is late is moved to its place
    gain, known = common * shift, np.ones(len(group.rows), dtype=bool)
    for row, number in enumerate(group.rows if responses is not None else ()):
        assert responses is not None
        inverse = responses.inverse(waveforms.work.channels[number], waveforms.work.start_ns, frequencies)
        known[row] = inverse is not None
        gain[row] *= 0 if inverse is None else inverse
    single = group.samples.dtype == np.float32
    return gain.astype(np.complex64 if single else np.complex128), known


def _line(values: Array, ramp: Array, valid: Array) -> tuple[float, float]:
    """Level and slope of the least-squares line of the valid samples. Sums, not BLAS products: their bits depend on nothing else."""
    if valid.all():
        level = float(values.mean(dtype=np.float64))
        return level, float(np.sum(values * ramp) / np.sum(ramp * ramp))
    t, y = ramp[valid], values[valid].astype(np.float64)
    centre, level = t.mean(), y.mean()
    spread = np.sum((t - centre) ** 2)
    slope = float(np.sum((t - centre) * y) / spread) if spread > 0 else 0.0
    return float(level - slope * centre), slope


def _bridge(values: Array, first: int, last: int) -> None:
    """Fill an absence by the straight line between its neighbours, or by the only neighbour it has."""
    left = values[first - 1] if first > 0 else values[last] if last < len(values) else 0.0
    right = values[last] if last < len(values) else left
    values[first:last] = np.linspace(left, right, last - first + 2)[1:-1]


def _trusted(group: Group, settings: Settings) -> Array:
    """Which samples at the common rate lie further than the guard from every absence."""
    span = settings.span
    mask = np.ones((len(group.rows), span.own), dtype=bool)
    for row, first, last in group.absent:
        begin = first / group.rate_hz - span.lead_s - span.guard_s
        end = last / group.rate_hz - span.lead_s + span.guard_s
        mask[row, max(0, int(np.floor(begin * settings.rate_hz))) : max(0, int(np.ceil(end * settings.rate_hz)))] = (
            False
        )
    return mask
