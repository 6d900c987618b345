# SPDX-License-Identifier: Apache-2.0
"""The instrument response, against ObsPy's remove_response; evaluated once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import obspy
import pytest
from obspy.core.inventory import Response

from noise.archive import NANO, DataError
from noise.items import Group, Waveforms, Work
from noise.prepare import anti_alias, band_pass, prepare
from noise.response import Responses
from noise.settings import Settings

CHANNEL = "BW.RJOB..EHZ"
START = obspy.UTCDateTime("2009-08-24T00:20:00").ns
SETTINGS = Settings.of(
    data="data", output="out", start="", end="", channels="*", response="", stations="", corrupt="skip",
    rate_hz=20.0, band_hz=[0.5, 4.0], edge_hz=0.1, normalisation="none", running_s=1.0, clip_rms=3.0,
    window_s=20.0, overlap=0.5, whitening="phase", whitening_hz=0.1, max_lag_s=10.0, speeds_km_s=[0.5, 5.0],
    segment_s=300.0, block=16, slabs=2, tile=4,
)  # fmt: skip
SPAN = SETTINGS.span


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("metadata") / "stations.xml"
    obspy.read_inventory().write(str(path), format="STATIONXML")
    return path


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    samples = np.random.default_rng(3).normal(0, 1000, SPAN.seconds * 100)
    return np.asarray((samples - samples.mean()).astype(np.float32))


def waveforms(counts: np.ndarray, *channels: str) -> Waveforms:
    n = len(channels)
    group = Group(100.0, np.arange(n), np.zeros(n), np.stack([counts] * n), np.zeros((0, 3), np.int64))
    return Waveforms(Work(0, 0, 1, START, START + 10_000 * NANO, channels, ((),) * n), (group,))


def test_velocity_is_obspys_to_a_ten_thousandth_of_the_peak(inventory: Path, counts: np.ndarray) -> None:
    """Both are band-passed by the same gain here; the two band-passes are compared elsewhere."""
    block, report = prepare(waveforms(counts, CHANNEL), SETTINGS, responses=Responses(str(inventory)))
    header = {
        "network": "BW",
        "station": "RJOB",
        "channel": "EHZ",
        "sampling_rate": 100.0,
        "starttime": obspy.UTCDateTime(ns=SPAN.start_ns(START)),
    }
    trace = obspy.Trace(counts.astype(np.float64), header).detrend("linear").taper(0.02)
    trace.remove_response(
        obspy.read_inventory(str(inventory)), output="VEL", water_level=60, zero_mean=False, taper=False
    )
    frequencies = np.fft.rfftfreq(len(trace.data), 0.01)
    gain = band_pass(frequencies, SETTINGS.band_hz) * anti_alias(frequencies, SETTINGS.rate_hz)
    first = SPAN.lead_s * 100
    expected = np.fft.irfft(np.fft.rfft(trace.data) * gain)[first : first + 5 * SPAN.own : 5]

    assert np.abs(expected).max() > 1e-7  # metres per second, not counts
    assert np.abs(block.samples[0] - expected).max() < 1e-4 * np.abs(expected).max()
    assert not report


def test_the_inverse_is_one_over_obspys_response(inventory: Path) -> None:
    frequencies = np.arange(1, 801) / 80
    response = obspy.read_inventory(str(inventory)).get_response("BW.RJOB..EHZ", obspy.UTCDateTime(ns=START))
    expected = 1 / response.get_evalresp_response_for_frequencies(frequencies, output="VEL")

    found = Responses(str(inventory)).inverse(CHANNEL, START, np.concatenate([[0.0], frequencies]))

    assert found is not None
    assert found[0] == 0
    loud = np.abs(1 / expected) > np.abs(1 / expected).max() * 2e-3
    np.testing.assert_allclose(found[1:][loud], expected[loud], rtol=1e-12)


def test_a_response_is_evaluated_once_for_all_segments(
    inventory: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    evaluate = Response.get_evalresp_response_for_frequencies

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(Response, "get_evalresp_response_for_frequencies", counted)
    responses = Responses(str(inventory))

    for _ in range(3):
        prepare(waveforms(counts, CHANNEL), SETTINGS, responses=responses)

    assert calls == [1]


def test_a_channel_without_a_response_is_absent_and_told(inventory: Path, counts: np.ndarray) -> None:
    block, report = prepare(waveforms(counts, CHANNEL, "BW.NONE..EHZ"), SETTINGS, responses=Responses(str(inventory)))

    assert block.mask.any(axis=1).tolist() == [True, False]
    assert not block.samples[1].any()
    assert report.as_json() == {"no response": {"BW.NONE..EHZ": 1}}


def test_coordinates_come_from_the_same_file(inventory: Path) -> None:
    assert Responses(str(inventory)).coordinates()["BW.RJOB"] == pytest.approx((47.737167, 12.795714, 860.0), abs=1e-3)


def test_a_file_that_is_no_metadata_is_named(tmp_path: Path) -> None:
    path = tmp_path / "inventory.xml"
    path.write_text("<html/>")

    with pytest.raises(DataError, match=r"inventory\.xml' is no station metadata .*; give a StationXML as response\."):
        Responses(str(path))
