# SPDX-License-Identifier: Apache-2.0
"""From a catalogue to the list of work: which channels, where they are, which segments of time, in blocks of stations."""

from __future__ import annotations

from collections.abc import Iterator

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
    segments = max(1, -((start - end) // round(settings.segment_s * NANO)))
    return Survey(channels, latitudes, longitudes, elevations, start, end, segments), report


def places(settings: Settings) -> dict[str, Place]:
    """Find the coordinates of each NET.STA: the table asked for, else the StationXML, else stations.csv in the data folder."""
    if settings.stations:
        return read_stations(settings.stations)
    if settings.response:
        return Responses(settings.response).coordinates()
    table = beside(settings.data)
    return read_stations(table) if table else {}


def works(catalogue: Catalogue, found: Survey, settings: Settings) -> Iterator[Work]:
    """Yield every block of stations in every segment, segment after segment."""
    span, size = settings.span, settings.block
    blocks = [found.channels[a : a + size] for a in range(0, len(found.channels), size)]
    for segment in range(found.segments):
        start = found.start_ns + segment * span.segment_s * NANO
        begin = span.start_ns(start)
        for number, channels in enumerate(blocks):
            files = tuple(catalogue.files(channel, begin, begin + span.seconds * NANO) for channel in channels)
            yield Work(segment, number, len(blocks), start, found.end_ns, channels, files)
