# SPDX-License-Identifier: Apache-2.0
"""Detrend, band-pass and resampling, against ObsPy and against what must not matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import obspy
import pytest

from noise.archive import NANO
from noise.items import Group, Waveforms, Work
from noise.prepare import CORNERS, flattened, prepare
from noise.settings import Settings, Span
from noise.waveforms import Piece, assemble

START = 1_577_836_800 * NANO
SETTINGS = Settings.of(
    data="data", output="out", start="", end="", channels="*", response="", stations="", corrupt="skip",
    rate_hz=20.0, band_hz=[0.5, 4.0], edge_hz=0.1, normalisation="none", running_s=1.0, clip_rms=3.0,
    window_s=20.0, overlap=0.5, whitening="phase", whitening_hz=0.1, max_lag_s=10.0, speeds_km_s=[0.5, 5.0],
    segment_s=300.0, block=16, slabs=2, tile=4,
)  # fmt: skip
SPAN = SETTINGS.span


def ground(times_s: np.ndarray) -> np.ndarray:
    """A record that can be asked for at any time: 100 lines from 0.01 to 9 Hz with fixed phases, and a drift."""
    rng = np.random.default_rng(11)
    result = 50 + 0.3 * times_s
    for frequency, phase in zip(rng.uniform(0.01, 9.0, 100), rng.uniform(0, 2 * np.pi, 100), strict=True):
        result += 100 * np.cos(2 * np.pi * frequency * times_s + phase)
    return result


def waveforms(
    *,
    rate: float = 100.0,
    late_s: float = 0.0,
    segment: int = 0,
    span: Span = SPAN,
    gap_s: tuple[float, float] | None = None,
    end_ns: int = START + 10**15,
) -> Waveforms:
    """One channel as read for a segment; its samples lie late_s after the axis."""
    start = START + segment * span.segment_s * NANO
    times = np.arange(round(span.seconds * rate)) / rate - span.lead_s + segment * span.segment_s + late_s
    samples = ground(times)
    cut = [round((edge + span.lead_s) * rate) for edge in gap_s] if gap_s else [len(times), len(times)]
    pieces = [
        Piece(
            start_ns=span.start_ns(start) + round((first / rate + late_s) * NANO),
            rate_hz=rate,
            samples=samples[first:last],
        )
        for first, last in ((0, cut[0]), (cut[1], len(times)))
        if last > first
    ]
    row, _ = assemble("XX.A..HHZ", pieces, span, start_ns=start, end_ns=end_ns, window_s=20.0)
    assert row is not None
    absent = np.column_stack([np.zeros(len(row.absent), np.int64), row.absent])
    group = Group(row.rate_hz, np.array([0]), np.array([row.offset_s]), row.samples[None], absent)
    return Waveforms(Work(segment, 0, 1, start, end_ns, ("XX.A..HHZ",), ((),)), (group,))


def prepared(given: Waveforms, settings: Settings = SETTINGS, **options: Any) -> np.ndarray:
    return np.asarray(prepare(given, settings, **options)[0].samples[0])


def worst(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference over the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def test_the_line_taken_out_is_obspys() -> None:
    given = waveforms()
    expected = obspy.Trace(given.groups[0].samples[0].astype(np.float64)).detrend("linear").data
    middle = slice(2000, -2000)  # the ends are tapered

    found = flattened(given.groups[0], SPAN, np.float64)[0]

    np.testing.assert_allclose(found[middle], expected[middle], atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize(("rate", "bound"), [(100.0, 2e-3), (500.0, 2e-4)])
def test_the_pass_band_is_obspys_zero_phase_band_pass(rate: float, bound: float) -> None:
    """ObsPy's filter is the bilinear transform of ours, whose error falls with the square of the rate: nothing else is left at 500 Hz."""
    given = waveforms(rate=rate)
    low, high = SETTINGS.band_hz
    trace = (
        obspy.Trace(given.groups[0].samples[0].astype(np.float64), {"sampling_rate": rate})
        .detrend("linear")
        .taper(0.02)
    )
    trace.filter("bandpass", freqmin=low, freqmax=high, corners=CORNERS, zerophase=True)
    first, every = round(SPAN.lead_s * rate), round(rate / 20)
    expected = trace.data[first : first + every * SPAN.own : every]  # the ground moves below 9 Hz, so 20 Hz holds it

    assert worst(prepared(given), expected) < bound


def test_float32_is_float64_to_a_millionth() -> None:
    assert worst(prepared(waveforms()), prepared(waveforms(), dtype=np.float64)) < 2e-6


@pytest.mark.parametrize("rate", [25.0, 40.0, 50.0, 62.5, 125.0, 200.0])
def test_channels_of_any_sampling_rate_give_the_same_samples(rate: float) -> None:
    assert worst(prepared(waveforms(rate=rate)), prepared(waveforms(rate=100.0))) < 1e-5


@pytest.mark.parametrize("late_s", [0.002, -0.0037, 0.004999])
def test_a_start_between_two_samples_is_moved_to_its_place(late_s: float) -> None:
    assert worst(prepared(waveforms(late_s=late_s)), prepared(waveforms())) < 1e-5


def test_the_borders_of_segments_do_not_matter() -> None:
    """Two segments of 300 s, filtered apart, are one of 600 s."""
    long = replace(SETTINGS, segment_s=600.0)
    whole = prepared(waveforms(span=long.span), long, dtype=np.float64)
    parts = [prepared(waveforms(segment=k), dtype=np.float64)[:6000] for k in (0, 1)]

    assert worst(np.concatenate(parts), whole[:12000]) < 1e-7


def test_samples_near_a_gap_are_not_trusted_and_the_rest_is_as_if_there_were_none() -> None:
    block, _ = prepare(waveforms(gap_s=(100.0, 130.0)), SETTINGS)
    whole = prepared(waveforms())
    mask = block.mask[0]
    first, last = np.flatnonzero(~mask)[[0, -1]] / 20.0

    assert first == pytest.approx(100 - SPAN.guard_s, abs=0.051)
    assert last == pytest.approx(130 + SPAN.guard_s, abs=0.051)
    assert np.abs(block.samples[0] - whole)[mask].max() < 2e-3 * np.abs(whole).max()
    assert (block.samples[0][~mask] == 0).all()


def test_what_lies_after_the_end_of_the_study_is_absent() -> None:
    block, _ = prepare(waveforms(end_ns=START + 200 * NANO), SETTINGS)

    assert block.mask[0, 1000:4000].all()
    assert not block.mask[0, 4000:].any()


def test_margins_hold_thirty_decays_of_the_filter_on_each_side() -> None:
    decay = 1 / (2 * np.pi * np.sin(np.pi / 8) * 0.5)
    tail = SPAN.seconds - SPAN.lead_s - SPAN.own / 20

    assert min(SPAN.lead_s, tail) >= 30 * decay - 1
    assert SPAN.seconds % 8 == 0


def test_the_bits_of_a_channel_do_not_depend_on_the_others() -> None:
    (group,) = waveforms().groups
    pair = Group(
        100.0, np.array([0, 1]), np.zeros(2), np.concatenate([group.samples[:, ::-1], group.samples]), group.absent
    )
    alone = waveforms()
    both = Waveforms(alone.work._replace(channels=("XX.A..HHZ", "XX.B..HHZ")), (pair,))

    assert prepare(both, SETTINGS)[0].samples[1].tobytes() == prepared(alone).tobytes()
