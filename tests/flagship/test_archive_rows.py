# SPDX-License-Identifier: Apache-2.0
"""Rows of samples: every sample that cannot be trusted is absent, and each reason is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import obspy
import pytest

from noise.archive import NANO, DataError
from noise.items import Work
from noise.settings import Span
from noise.waveforms import Piece, assemble, nominal_rate, read_block

RATE = 20.0
SPAN = Span(seconds=160, lead_s=20, segment_s=100, taper_s=5.0, guard_s=5.0, own=2400)
START = 1_577_836_800 * NANO  # of the segment; the span starts 20 s earlier
WINDOW_S = 10.0
SIGNAL = np.random.default_rng(1).normal(0, 100, round(SPAN.seconds * RATE))


def piece(first: int, last: int, *, values: np.ndarray | None = None, rate: float = RATE, late_s: float = 0.0) -> Piece:
    """Samples first..last of the span."""
    start = START - SPAN.lead_s * NANO + round((first / rate + late_s) * NANO)
    return Piece(start_ns=start, rate_hz=rate, samples=SIGNAL[first:last] if values is None else values)


def assembled(*pieces: Piece) -> tuple[Any, dict[str, int]]:
    row, report = assemble(
        "XX.A.00.HHZ", list(pieces), SPAN, start_ns=START, end_ns=START + 10_000 * NANO, window_s=WINDOW_S
    )
    return row, {kind: sum(names.values()) for kind, names in report.as_json().items()}


def test_whole_data_give_the_samples_less_their_mean_and_nothing_to_tell() -> None:
    row, told = assembled(piece(0, 3200))

    assert told == {}
    np.testing.assert_allclose(row.samples, SIGNAL - SIGNAL.mean(), atol=1e-4)
    assert row.absent.tolist() == []


def test_a_gap_is_absent_and_counted_with_its_seconds() -> None:
    row, told = assembled(piece(0, 1000), piece(1200, 3200))

    assert row.absent.tolist() == [[1000, 1200]]
    assert told == {"gap": 1, "missing": 10}


def test_a_gap_that_began_in_the_segment_before_is_counted_there() -> None:
    _, told = assembled(piece(0, 300), piece(500, 3200))

    assert told == {"missing": 5}  # 300..500 begins in the lead, which is 400 samples long


def test_the_order_of_pieces_does_not_matter() -> None:
    pieces = [piece(0, 900), piece(800, 1500), piece(1600, 3200)]
    one, _ = assembled(*pieces)
    other, _ = assembled(*reversed(pieces))

    assert one.samples.tobytes() == other.samples.tobytes()
    assert one.absent.tolist() == other.absent.tolist()


def test_an_identical_overlap_is_used_once() -> None:
    row, told = assembled(piece(0, 1600), piece(1400, 3200))

    assert told == {"overlap": 1}
    assert row.absent.tolist() == []


def test_an_overlap_that_disagrees_is_absent_where_it_does() -> None:
    other = SIGNAL[1400:3200].copy()
    other[:100] += 1
    row, told = assembled(piece(0, 1600), piece(1400, 3200, values=other))

    assert row.absent.tolist() == [[1400, 1500]]
    assert told == {"missing": 5, "gap": 1, "conflict": 1}


def test_samples_that_are_not_finite_are_absent() -> None:
    values = SIGNAL.copy()
    values[1000:1003] = [np.nan, np.inf, -np.inf]
    row, told = assembled(piece(0, 3200, values=values))

    assert row.absent.tolist() == [[1000, 1003]]
    assert told == {"gap": 1, "not finite": 3}
    assert np.isfinite(row.samples).all()


def test_a_value_that_stays_for_a_window_is_no_record_of_the_ground() -> None:
    values = SIGNAL.copy()
    values[1000:1250] = 7.0
    row, told = assembled(piece(0, 3200, values=values))

    assert row.absent.tolist() == [[1000, 1250]]
    assert told == {"missing": 12, "gap": 1, "flat": 1}


def test_a_trace_shorter_than_a_window_is_left_out_unless_it_goes_on_outside() -> None:
    row, told = assembled(piece(0, 900), piece(1500, 1600), piece(3100, 3200))

    assert row.absent.tolist() == [[900, 3100]]
    assert told == {"missing": 70, "gap": 2, "short": 1}


def test_of_two_sampling_rates_in_one_segment_the_longer_trace_is_used() -> None:
    fast = np.random.default_rng(2).normal(0, 1, 300)
    row, told = assembled(piece(0, 3000), piece(6000, 6300, values=fast, rate=2 * RATE))

    assert row.rate_hz == RATE
    assert row.absent.tolist() == [[3000, 3200]]  # after the segment, so nothing of it is missing
    assert told == {"mixed rate": 1}


def test_a_start_between_two_samples_is_kept_as_an_offset() -> None:
    row, told = assembled(piece(0, 3200, late_s=0.012))

    assert row.offset_s == pytest.approx(0.012, abs=1e-9)
    assert told == {}


def test_a_channel_without_anything_is_none_and_missing_for_the_whole_segment() -> None:
    assert assembled() == (None, {"missing": 100})


@pytest.mark.parametrize(
    ("rate", "seconds", "nominal"),
    [(100.0, 3840, 100.0), (99.9999, 3840, 100.0), (62.5, 3840, 62.5), (99.9, 3840, 99.9), (1 / 3, 3840, 1280 / 3840)],
)
def test_a_rate_that_drifts_less_than_half_a_sample_is_the_round_one(rate: float, seconds: int, nominal: float) -> None:
    assert nominal_rate(rate, seconds) == pytest.approx(nominal, rel=1e-12)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Three channels; the second damaged, the third too slow; the first in two files."""
    span_start = obspy.UTCDateTime(ns=SPAN.start_ns(START))
    files = []
    for station, rate in (("A", RATE), ("B", RATE), ("C", 1.0)):
        data = SIGNAL[: round(SPAN.seconds * rate)].astype(np.float32)
        half = len(data) // 2
        parts = []
        for number, (first, last) in enumerate(((0, half), (half, len(data)))):
            header = {
                "network": "XX",
                "station": station,
                "channel": "HHZ",
                "sampling_rate": rate,
                "starttime": span_start + first / rate,
            }
            parts.append(str(tmp_path / f"{station}{number}.mseed"))
            obspy.Trace(data[first:last], header).write(parts[-1], format="MSEED")
        files.append(tuple(parts))
    for path in files[1]:
        Path(path).write_bytes(b"\0" * 5000)
    return Work(0, 0, 1, START, START + 10_000 * NANO, ("XX.A..HHZ", "XX.B..HHZ", "XX.C..HHZ"), tuple(files))


def test_a_block_keeps_its_places_whatever_is_missing(work: Work) -> None:
    waveforms, report = read_block(work, SPAN, window_s=WINDOW_S, least_rate_hz=4.0)

    (group,) = waveforms.groups
    assert group.rows.tolist() == [0]
    np.testing.assert_allclose(group.samples[0], SIGNAL - SIGNAL.mean(), atol=1e-3)
    assert report.as_json() == {
        "corrupt file": {work.files[1][0]: 1, work.files[1][1]: 1},
        "missing": {"XX.B..HHZ": 100},
        "too slow": {"XX.C..HHZ": 1},
    }


def test_a_damaged_file_fails_the_block_where_that_is_the_policy(work: Work) -> None:
    with pytest.raises(DataError, match=r"Corrupt file .*B0\.mseed"):
        read_block(work, SPAN, window_s=WINDOW_S, least_rate_hz=4.0, corrupt="fail")
