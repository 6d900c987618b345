# SPDX-License-Identifier: Apache-2.0
"""From a catalogue to the list of work: what has no data costs nothing, and is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.flagship.test_workflow_graph import settings

from noise.archive import DAY, NANO, Catalogue, Epoch
from noise.report import Report
from noise.survey import survey, works

START = int(np.datetime64("2020-01-01", "ns").astype(np.int64))
HOUR = 3600 * NANO


def epoch(channel: str, first_ns: int, last_ns: int, path: str = "") -> Epoch:
    return Epoch(
        channel=channel, path=path or f"/{channel}.{first_ns}", start_ns=first_ns, end_ns=last_ns, rate_hz=20.0
    )


def catalogue(*epochs: Epoch) -> Catalogue:
    return Catalogue(epochs=tuple(sorted(epochs, key=lambda e: (e.channel, e.start_ns, e.path))), report=Report())


@pytest.fixture
def gappy() -> Catalogue:
    """A day of A and B, nothing for nine days, then three hours of A alone."""
    eleventh = START + 10 * DAY
    return catalogue(
        epoch("XX.A.00.HHZ", START, START + DAY),
        epoch("XX.B.00.HHZ", START, START + DAY),
        epoch("XX.A.00.HHZ", eleventh, eleventh + 3 * HOUR),
    )


def test_segments_in_which_no_channel_has_data_are_passed_over_and_told(gappy: Catalogue) -> None:
    chosen = settings()
    found, report = survey(gappy, chosen)
    work = list(works(gappy, found, chosen))

    assert found.segments == 24 + 3
    assert [one.segment for one in work] == list(range(27))  # without a hole, so that sums are soon complete
    assert [(one.start_ns - START) // HOUR for one in work] == [*range(24), *range(240, 243)]
    assert report.as_json()["empty"] == {"all channels": 9 * 86_400}
    assert report.lines()[-1] == "seconds asked for in which no channel has data: 777,600 (all channels)"


@pytest.mark.parametrize(("start", "end"), [("1970-01-01", ""), ("", "2100-01-01"), ("0001-01-01", "9999-12-31")])
def test_a_time_far_beyond_the_data_costs_nothing(start: str, end: str, gappy: Catalogue) -> None:
    """GPS clocks that lost their week stamp records so, too."""
    chosen = settings(start=start, end=end)
    found, report = survey(gappy, chosen)
    work = list(works(gappy, found, chosen))

    assert len(work) == found.segments == 27
    assert {(one.start_ns - START) % HOUR for one in work} == {0}
    assert found.start_ns == START
    assert START + 10 * DAY + 3 * HOUR <= found.end_ns <= START + 10 * DAY + 4 * HOUR
    assert report.as_json()["empty"]["all channels"] > 10 * 365 * 86_400


def test_the_time_asked_for_sets_where_segments_begin(gappy: Catalogue) -> None:
    chosen = settings(start="2019-12-31T20:30:00")
    found, _ = survey(gappy, chosen)

    assert [(one.start_ns - START) / HOUR for one in works(gappy, found, chosen)][:3] == [-0.5, 0.5, 1.5]


def test_the_files_of_an_hour_are_found_among_thousands_of_stretches() -> None:
    """A telemetered month has gaps by the thousand, and a file may reach over all of them."""
    short = 20 * NANO
    epochs = [epoch("XX.A.00.HHZ", START + k * 2 * short, START + k * 2 * short + short) for k in range(50_000)]
    whole = epoch("XX.A.00.HHZ", START, START + 30 * DAY, path="/whole")
    found = catalogue(*epochs, whole)
    named = [found.files("XX.A.00.HHZ", START + k * HOUR, START + (k + 1) * HOUR) for k in range(200)]

    assert all(len(files) == 91 and "/whole" in files for files in named)


def test_a_file_named_once_is_one_file(tmp_path: Path) -> None:
    found = catalogue(*(epoch("XX.A.00.HHZ", START + k * NANO, START + (k + 1) * NANO, path="/a") for k in range(5)))

    assert found.files("XX.A.00.HHZ", START, START + 3 * NANO) == ("/a",)
    assert found.files("XX.A.00.HHZ", START + 5 * NANO, START + 9 * NANO) == ()
    assert found.files("XX.B.00.HHZ", START, START + 3 * NANO) == ()
