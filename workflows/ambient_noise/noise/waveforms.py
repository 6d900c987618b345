# SPDX-License-Identifier: Apache-2.0
"""From files to rows of samples on one time axis a sampling rate, with every sample that cannot be trusted marked as absent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.archive import NANO, DataError, read, skipped
from noise.items import Group, Waveforms, Work
from noise.report import Report
from noise.settings import SPAN_STEP_S, Span

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One trace of a file."""

    start_ns: int
    rate_hz: float
    samples: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One channel over a span."""

    rate_hz: float
    offset_s: float
    samples: Array  # float32, (samples,)
    absent: Array  # int64, (k, 2): first sample, one after the last


def read_block(
    work: Work, span: Span, *, window_s: float, least_rate_hz: float, corrupt: str = "skip"
) -> tuple[Waveforms, Report]:
    """Read a block of channels over the span of a segment.

    window_s: what is shorter between two gaps is of no use. least_rate_hz: a channel sampled more slowly does not hold the band.
    corrupt: "skip" counts a damaged file and goes on without it, "fail" raises DataError.
    """
    rows: dict[int, Row] = {}
    report = Report()
    for number, (channel, files) in enumerate(zip(work.channels, work.files, strict=True)):
        pieces, damage = _pieces(channel, files, span, span.start_ns(work.start_ns), corrupt)
        row, faults = assemble(channel, pieces, span, start_ns=work.start_ns, end_ns=work.end_ns, window_s=window_s)
        report = report + damage + faults
        if row is None:
            continue
        if row.rate_hz < least_rate_hz:
            report += Report.of("too slow", channel)
        else:
            rows[number] = row
    return Waveforms(work=work, groups=_groups(rows)), report


def assemble(
    channel: str, pieces: list[Piece], span: Span, *, start_ns: int, end_ns: int, window_s: float
) -> tuple[Row | None, Report]:
    """Lay the pieces of a channel on the time axis of the span of the segment that starts at start_ns; None if nothing of use is there.

    Samples that two pieces give alike are used once, those that differ are absent, as are those that are not finite, a value that stays the same
    for a window or longer, and what is shorter than a window. A start between two samples of the axis is kept as an offset.
    """
    pieces = sorted(pieces, key=lambda piece: (piece.start_ns, piece.rate_hz, len(piece.samples)))
    by_rate: dict[float, int] = {}
    for piece in pieces:
        rate = nominal_rate(piece.rate_hz, span.seconds)
        by_rate[rate] = by_rate.get(rate, 0) + len(piece.samples)
    own_s = min(span.segment_s, (end_ns - start_ns) / NANO)
    if not by_rate:
        return None, Report.of("missing", channel, int(own_s))
    rate = max(by_rate, key=lambda r: (by_rate[r], r))
    chosen = [piece for piece in pieces if nominal_rate(piece.rate_hz, span.seconds) == rate]
    report = Report.of("mixed rate", channel, len(pieces) - len(chosen))
    samples, valid, offset_s, overlaps = _laid(
        channel, chosen, round(span.seconds * rate), rate, span.start_ns(start_ns)
    )
    flat = _constant_runs(samples, valid, least=round(window_s * rate))
    report = report + overlaps + Report.of("flat", channel, len(flat))
    _clear(valid, flat)
    first, last = round(span.lead_s * rate), round((span.lead_s + own_s) * rate)
    report = report + _gaps(channel, valid, first, last, rate)
    report = report + _drop_short(channel, valid, round(window_s * rate))
    if not valid[first:].any():
        return None, report
    mean = samples.mean(where=valid)
    return Row(
        rate_hz=rate, offset_s=offset_s, samples=(samples - mean).astype(np.float32), absent=runs(~valid)
    ), report


def nominal_rate(rate_hz: float, seconds: int) -> float:
    """Return the rate that gives a whole number of samples in a span: a multiple of 0.125 Hz if that drifts by less than half a sample."""
    usual = round(rate_hz * SPAN_STEP_S) / SPAN_STEP_S
    if abs(rate_hz - usual) * seconds < 0.5:
        return usual
    return round(rate_hz * seconds) / seconds


def runs(flags: Array) -> Array:
    """Ranges where flags are True: int64, (k, 2), first index and one after the last."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2)


def _pieces(
    channel: str, files: tuple[str, ...], span: Span, start_ns: int, corrupt: str
) -> tuple[list[Piece], Report]:
    from obspy import UTCDateTime

    begin, end = UTCDateTime(ns=start_ns), UTCDateTime(ns=start_ns + span.seconds * NANO)
    pieces: list[Piece] = []
    report = Report()
    for path in files:
        try:
            stream = read(path, starttime=begin, endtime=end, nearest_sample=False)
        except DataError as error:
            if corrupt == "fail":
                raise
            report += skipped(path, error)
            continue
        pieces += [
            Piece(
                start_ns=trace.stats.starttime.ns,
                rate_hz=float(trace.stats.sampling_rate),
                samples=np.asarray(trace.data),
            )
            for trace in stream
            if trace.id == channel and trace.stats.npts
        ]
    return pieces, report


def _laid(channel: str, pieces: list[Piece], n: int, rate: float, start_ns: int) -> tuple[Array, Array, float, Report]:
    """Samples, which of them are valid, the offset of the first from the axis, and a report."""
    samples = np.zeros(n)
    filled = np.zeros(n, dtype=bool)
    conflict = np.zeros(n, dtype=bool)
    exact = (pieces[0].start_ns - start_ns) / NANO * rate
    shift = exact - round(exact)
    overlaps, not_finite = 0, 0
    for piece in pieces:
        first = round((piece.start_ns - start_ns) / NANO * rate - shift)
        values = piece.samples[max(0, -first) : max(0, n - first)].astype(np.float64)
        here = slice(max(0, first), max(0, first) + len(values))
        finite = np.isfinite(values)
        not_finite += len(values) - int(finite.sum())
        again = filled[here] & finite
        if again.any():
            overlaps += 1
            conflict[here] |= again & (samples[here] != values)
        samples[here] = np.where(finite & ~again, values, samples[here])
        filled[here] |= finite
    conflicts = runs(conflict)
    report = Report.of("overlap", channel, max(0, overlaps - len(conflicts))) + Report.of(
        "conflict", channel, len(conflicts)
    )
    return samples, filled & ~conflict, shift / rate, report + Report.of("not finite", channel, not_finite)


def _constant_runs(samples: Array, valid: Array, *, least: int) -> Array:
    same = (samples[1:] == samples[:-1]) & valid[1:] & valid[:-1]
    found = runs(same)
    found = found[found[:, 1] - found[:, 0] + 1 >= least]
    return np.asarray(found + np.array([0, 1]))


def _clear(valid: Array, ranges: Array) -> None:
    for first, last in ranges:
        valid[first:last] = False


def _gaps(channel: str, valid: Array, first: int, last: int, rate: float) -> Report:
    """Count what begins inside the segment itself, so that no gap is counted in two segments."""
    absent = runs(~valid)
    begin = int(((absent[:, 0] >= first) & (absent[:, 0] < last) & (absent[:, 0] > 0)).sum())
    missing = int(np.count_nonzero(~valid[first:last]) / rate)
    return Report.of("gap", channel, begin) + Report.of("missing", channel, missing)


def _drop_short(channel: str, valid: Array, window: int) -> Report:
    found = runs(valid)
    inside = (found[:, 0] > 0) & (found[:, 1] < len(valid))  # what touches the border may go on beyond it
    short = found[inside & (found[:, 1] - found[:, 0] < window)]
    _clear(valid, short)
    return Report.of("short", channel, len(short))


def _groups(rows: dict[int, Row]) -> tuple[Group, ...]:
    groups = []
    for rate in sorted({row.rate_hz for row in rows.values()}):
        members = [(number, row) for number, row in rows.items() if row.rate_hz == rate]
        absent = [np.column_stack([np.full(len(row.absent), k), row.absent]) for k, (_, row) in enumerate(members)]
        groups.append(
            Group(
                rate_hz=rate,
                rows=np.array([number for number, _ in members]),
                offsets_s=np.array([row.offset_s for _, row in members]),
                samples=np.stack([row.samples for _, row in members]),
                absent=np.concatenate(absent).astype(np.int64),
            )
        )
    return tuple(groups)
