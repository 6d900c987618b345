# SPDX-License-Identifier: Apache-2.0
"""From a catalogue to the list of work: which channels, where they are, which segments of time, in blocks of stations."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from noise.archive import NANO, Catalogue, DataError
from noise.geometry import Place, beside, read_stations
from noise.items import Survey, Work
from noise.report import Report
from noise.response import Responses
from noise.settings import Settings

NOWHERE: Place = (np.nan, np.nan, np.nan)


def survey(catalogue: Catalogue, settings: Settings) -> tuple[Survey, Report]:
    """Tell the channels, where they are, and how many segments there will be. Raises DataError if there is no pair.

    Without a start the windows begin at a whole step since 1970, so that a day gives the same windows whatever archive it is part of.
    """
    channels = catalogue.channels
    if len(channels) < 2:
        raise DataError(
            f"The data path {settings.data!r} holds one channel, {channels[0]}; a pair needs two: widen channels or data."
        )
    known, report = places(settings), catalogue.report
    found = [known.get(".".join(channel.split(".")[:2]), NOWHERE) for channel in channels]
    for channel, place in zip(channels, found, strict=True):
        report += Report.of("no coordinates", channel, int(place is NOWHERE))
    latitudes, longitudes, elevations = (tuple(column) for column in zip(*found, strict=True))
    step = round(settings.grid.step / settings.rate_hz * NANO)
    start = catalogue.start_ns // step * step if settings.start_ns is None else settings.start_ns
    end = catalogue.end_ns if settings.end_ns is None else settings.end_ns
    parts, long = busy(catalogue, start, end, settings), round(settings.segment_s * NANO)
    segments = sum(map(len, parts))
    first, last = start + parts[0].start * long, min(end, start + parts[-1].stop * long)
    taken = sum(min(start + part.stop * long, end) - (start + part.start * long) for part in parts)
    report += Report.of("empty", "all channels", (end - start - taken) // NANO)
    return Survey(channels, latitudes, longitudes, elevations, first, last, segments), report


def busy(catalogue: Catalogue, start_ns: int, end_ns: int, settings: Settings) -> list[range]:
    """Segments in which some channel has data, counted from the start, as ascending ranges: a clock that lost its week makes a century of others."""
    long = round(settings.segment_s * NANO)
    ranges: list[range] = []
    for epoch in sorted(catalogue.epochs, key=lambda e: e.start_ns):
        first = max(0, (epoch.start_ns - start_ns) // long)
        last = (min(epoch.end_ns, end_ns) - 1 - start_ns) // long
        if ranges and first <= ranges[-1].stop:
            ranges[-1] = range(ranges[-1].start, max(ranges[-1].stop, last + 1))
        elif first <= last:
            ranges.append(range(first, last + 1))
    return ranges


def places(settings: Settings) -> dict[str, Place]:
    """Find the coordinates of each NET.STA: the table asked for, else the StationXML, else stations.csv in the data folder."""
    if settings.stations:
        return read_stations(settings.stations)
    if settings.response:
        return Responses(settings.response).coordinates()
    table = beside(settings.data)
    return read_stations(table) if table else {}


def works(catalogue: Catalogue, found: Survey, settings: Settings) -> Iterator[Work]:
    """Yield every block of stations in every segment with data, segment after segment, numbered without a hole so that sums are soon complete."""
    span, size = settings.span, settings.block
    blocks = [found.channels[a : a + size] for a in range(0, len(found.channels), size)]
    long = round(settings.segment_s * NANO)
    ranges = busy(catalogue, found.start_ns, found.end_ns, settings)
    for segment, number in enumerate(chain.from_iterable(ranges)):
        start = found.start_ns + number * long
        begin = span.start_ns(start)
        for position, channels in enumerate(blocks):
            files = tuple(catalogue.files(channel, begin, begin + span.seconds * NANO) for channel in channels)
            yield Work(segment, position, len(blocks), start, found.end_ns, channels, files)
