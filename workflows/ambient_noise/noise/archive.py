# SPDX-License-Identifier: Apache-2.0
"""Waveform files: which channel is where, and what was recorded in a span of time.

Whatever ObsPy reads is read: MiniSEED, SAC, folders of any shape, SDS archives. Files are damaged, overlap, stop and change their sampling
rate; each such thing is told in a `Report`, and what cannot be trusted is marked as absent, never used.
"""

from __future__ import annotations

import fnmatch
import glob
import re
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from noise.report import Report

NANO = 1_000_000_000  # times are whole nanoseconds since 1970 UTC: exact, and equal on every machine
NOT_WAVEFORMS = {
    ".csv",
    ".html",
    ".json",
    ".log",
    ".md",
    ".pdf",
    ".png",
    ".py",
    ".sha256",
    ".toml",
    ".txt",
    ".xml",
    ".zip",
}
SDS_NAME = re.compile(r"^(?P<channel>[^.]+\.[^.]+\.[^.]*\.[^.]+)\.D\.(?P<year>\d{4})\.(?P<day>\d{3})$")
REMEDY = "; repair or remove it, or set corrupt=skip."  # of a file that cannot be read
DAY, HOUR = 86_400 * NANO, 3600 * NANO


class DataError(ValueError):
    """Data are missing or damaged; the message names the file and the remedy in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One unbroken stretch of one channel in one file."""

    channel: str  # NET.STA.LOC.CHA
    path: str
    start_ns: int
    end_ns: int  # one sample after the last
    rate_hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the name of a file in an SDS archive says: NET.STA.LOC.CHA.D.YEAR.DAY."""

    channel: str
    start_ns: int  # of the day

    @property
    def end_ns(self) -> int:
        return self.start_ns + DAY

    def matches(self, channels: str) -> bool:
        """Tell whether a pattern means this channel."""
        return fnmatch.fnmatchcase(self.channel, channels)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What an archive holds, from headers alone."""

    epochs: tuple[Epoch, ...]  # by channel, then start, then path
    report: Report

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """The channels, in NET.STA.LOC.CHA order: the rows of everything that follows."""
        return tuple(sorted(self._by_channel))

    @property
    def start_ns(self) -> int:
        return min(epoch.start_ns for epoch in self.epochs)

    @property
    def end_ns(self) -> int:
        return max(epoch.end_ns for epoch in self.epochs)

    def files(self, channel: str, start_ns: int, end_ns: int) -> tuple[str, ...]:
        """Name the files with data of a channel in a span, in a fixed order."""
        starts, reaches, epochs = self._index.get(channel, ([], [], []))
        near = epochs[bisect_right(reaches, start_ns) : bisect_left(starts, end_ns)]
        return tuple(sorted({epoch.path for epoch in near if epoch.end_ns > start_ns}))

    @cached_property
    def _index(self) -> dict[str, tuple[list[int], list[int], list[Epoch]]]:
        """Of each channel the starts, the latest end so far, and the epochs, by start: a gappy month has thousands."""
        return {
            channel: ([e.start_ns for e in epochs], list(accumulate((e.end_ns for e in epochs), max)), epochs)
            for channel, epochs in self._by_channel.items()
        }

    @cached_property
    def _by_channel(self) -> dict[str, list[Epoch]]:
        found: dict[str, list[Epoch]] = {}
        for epoch in self.epochs:
            found.setdefault(epoch.channel, []).append(epoch)
        return found


def waveform_files(data: str) -> Iterator[Path]:
    """Yield the files below a path that may hold waveforms, in a fixed order. Raises DataError if the path does not exist."""
    root = Path(data)
    if root.is_file():
        yield root
        return
    if not root.is_dir():
        raise DataError(f"There is no data path {data!r}; name a folder of waveform files, an SDS archive or one file.")
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).parts
        if any(part.startswith(".") or part.endswith(".zarr") for part in inside):
            continue
        if path.suffix.lower() not in NOT_WAVEFORMS and path.is_file():
            yield path


def scan(
    data: str, *, channels: str = "*", start_ns: int | None = None, end_ns: int | None = None, corrupt: str = "skip"
) -> Catalogue:
    """Read the headers of all files below a path.

    channels: a pattern of NET.STA.LOC.CHA, such as "YA.*.*.HHZ". corrupt: "skip" counts a damaged file, "fail" raises DataError.
    Raises DataError if no file holds the channels and times asked for.
    """
    report, epochs = Report(), []
    for path in waveform_files(data):
        if not day_overlaps(path, start_ns, end_ns):
            continue
        try:
            epochs += epochs_of(path)
        except DataError as error:
            if corrupt == "fail":
                raise
            report += skipped(path, error)
    chosen = asked_for(epochs, channels, start_ns, end_ns)
    if not chosen:
        held = sorted({e.channel for e in epochs})
        raise DataError(
            f"The data path {data!r} holds nothing of channels {channels!r} in the time asked for; it has "
            + (
                f"{', '.join(held[:5])}{' ...' if len(held) > 5 else ''}; mend channels, start or end."
                if held
                else "no readable waveform there; mend start and end, or name another path."
            )
        )
    return Catalogue(epochs=tuple(sorted(chosen, key=lambda e: (e.channel, e.start_ns, e.path))), report=report)


def skipped(path: str | Path, error: DataError) -> Report:
    """Report a file that is passed over; the reason, without the remedy."""
    return Report.of("corrupt file", str(path), detail=str(error).replace(REMEDY, "."))


def read(path: str | Path, **options: Any) -> Any:
    """Read a file with ObsPy into a Stream. Raises DataError, one line, if it cannot be read as a whole."""
    import obspy
    from obspy.io.mseed import InternalMSEEDWarning

    # A record that ObsPy would skip with a warning is damage that must be known; a filter of the process, since catch_warnings
    # is not safe among threads.
    warnings.filterwarnings("error", category=InternalMSEEDWarning)
    try:
        return obspy.read(glob.escape(str(path)), **options)
    except OSError as error:
        reason = error.strerror or str(error)
    except TypeError:
        reason = "no format that ObsPy knows"
    except Exception as error:  # whatever a damaged file makes a reader raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise DataError(f"Corrupt file {path}: {reason.rstrip('.')}{REMEDY}")


def asked_for(epochs: Iterable[Epoch], channels: str, start_ns: int | None, end_ns: int | None) -> list[Epoch]:
    """Return those of a pattern of channels that have something of a time; None is no limit."""
    return [
        e
        for e in epochs
        if fnmatch.fnmatchcase(e.channel, channels)
        and (end_ns is None or e.start_ns < end_ns)
        and (start_ns is None or e.end_ns > start_ns)
    ]


def epochs_of(path: Path) -> list[Epoch]:
    """Read the headers of a file. Raises DataError if it is damaged."""
    found = []
    stream = read(path, headonly=True)
    _check_whole(path, stream)
    for trace in stream:
        stats = trace.stats
        if stats.npts == 0 or not stats.sampling_rate > 0:
            continue
        start = stats.starttime.ns
        found.append(
            Epoch(
                channel=trace.id,
                path=str(path),
                start_ns=start,
                end_ns=start + round(stats.npts / stats.sampling_rate * NANO),
                rate_hz=float(stats.sampling_rate),
            )
        )
    return found


def _check_whole(path: Path, stream: Any) -> None:
    """Refuse a MiniSEED file that ends within a record: ObsPy leaves out such a record without a word."""
    lengths = [trace.stats.mseed.record_length for trace in stream if "mseed" in trace.stats]
    if lengths and path.stat().st_size % min(lengths):
        raise DataError(f"Corrupt file {path}: its last record is cut off{REMEDY}")


def named(path: Path) -> Named | None:
    """Return what the name of a file in an SDS archive says, or None for any other."""
    found = SDS_NAME.search(path.name)
    if found is None:
        return None
    day = datetime(int(found["year"]), 1, 1, tzinfo=timezone.utc) + timedelta(days=int(found["day"]) - 1)
    return Named(channel=found["channel"], start_ns=int(day.timestamp()) * NANO)


def day_overlaps(path: Path, start_ns: int | None, end_ns: int | None) -> bool:
    """Tell from an SDS name whether a file can matter, so that a year's archive need not be opened for one day."""
    if start_ns is None and end_ns is None:
        return True
    name = named(path)
    if name is None:
        return True
    before = end_ns is None or name.start_ns - HOUR < end_ns  # records may hang over midnight
    return before and (start_ns is None or name.end_ns + HOUR > start_ns)
