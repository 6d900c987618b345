# SPDX-License-Identifier: Apache-2.0
"""Whatever ObsPy reads is catalogued; what it cannot read is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import obspy
import pytest

from noise.archive import NANO, DataError, read, scan

DAY = obspy.UTCDateTime("2020-01-01")


def record(station: str, *, start: float = 0.0, seconds: float = 600.0, rate: float = 20.0) -> obspy.Trace:
    rng = np.random.default_rng(len(station))
    header = {
        "network": "XX",
        "station": station,
        "location": "00",
        "channel": "HHZ",
        "sampling_rate": rate,
        "starttime": DAY + start,
    }
    return obspy.Trace(rng.normal(0, 1000, round(seconds * rate)).astype(np.int32), header)


def sds(root: Path, trace: obspy.Trace) -> Path:
    s = trace.stats
    path: Path = (
        root
        / f"{s.starttime.year}"
        / s.network
        / s.station
        / f"{s.channel}.D"
        / f"{trace.id}.D.{s.starttime.year}.{s.starttime.julday:03d}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    trace.write(str(path), format="MSEED")
    return path


def test_a_folder_an_sds_archive_and_a_file_of_many_give_one_catalogue(tmp_path: Path) -> None:
    traces = [record("B"), record("A")]
    (tmp_path / "flat").mkdir()
    for trace in traces:
        sds(tmp_path / "sds", trace)
        trace.write(str(tmp_path / "flat" / f"{trace.id}.mseed"), format="MSEED")
    obspy.Stream(traces).write(str(tmp_path / "all.mseed"), format="MSEED")

    found = [scan(str(tmp_path / name)) for name in ("flat", "sds", "all.mseed")]

    assert [c.channels for c in found] == [("XX.A.00.HHZ", "XX.B.00.HHZ")] * 3
    assert [(c.start_ns, c.end_ns) for c in found] == [(DAY.ns, DAY.ns + 600 * NANO)] * 3


def test_sac_and_miniseed_are_read_alike(tmp_path: Path) -> None:
    record("A").write(str(tmp_path / "a.mseed"), format="MSEED")
    record("B").write(str(tmp_path / "b.sac"), format="SAC")

    catalogue = scan(str(tmp_path))

    assert [(e.channel, e.rate_hz, e.end_ns - e.start_ns) for e in catalogue.epochs] == [
        ("XX.A.00.HHZ", 20.0, 600 * NANO),
        ("XX.B.00.HHZ", 20.0, 600 * NANO),
    ]


def test_notes_pictures_hidden_files_and_results_are_no_waveforms(tmp_path: Path) -> None:
    record("A").write(str(tmp_path / "a.mseed"), format="MSEED")
    for name in ("README.txt", "stations.csv", "inventory.xml", ".hidden", "old.zarr/zarr", "map.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not a waveform")

    assert scan(str(tmp_path), corrupt="fail").channels == ("XX.A.00.HHZ",)


def test_a_path_may_hold_the_characters_of_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "run [2] *"
    folder.mkdir()
    record("A").write(str(folder / "a.mseed"), format="MSEED")

    assert scan(str(folder)).channels == ("XX.A.00.HHZ",)


def test_days_outside_the_time_asked_for_are_not_opened(tmp_path: Path) -> None:
    sds(tmp_path, record("A"))
    (tmp_path / "2020" / "XX" / "A" / "HHZ.D" / "XX.A.00.HHZ.D.2020.200").write_bytes(b"damaged")

    assert scan(str(tmp_path), start_ns=DAY.ns, end_ns=DAY.ns + 600 * NANO, corrupt="fail").channels == ("XX.A.00.HHZ",)


def test_files_of_a_span_are_named_in_a_fixed_order(tmp_path: Path) -> None:
    for name, start in (("z", 0), ("y", 600), ("x", 1200)):
        record("A", start=start).write(str(tmp_path / f"{name}.mseed"), format="MSEED")

    files = scan(str(tmp_path)).files("XX.A.00.HHZ", DAY.ns + 500 * NANO, DAY.ns + 1200 * NANO)

    assert [Path(file).name for file in files] == ["y.mseed", "z.mseed"]


def truncated(data: bytes) -> bytes:
    return data[: len(data) - 700]


def garbage_in_the_middle(data: bytes) -> bytes:
    return data[:4096] + b"\xff" * 4096 + data[8192:]


def text(_: bytes) -> bytes:
    return b"this is no seismogram\n" * 50


def empty(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [truncated, garbage_in_the_middle, text, empty])
def test_a_damaged_file_fails_with_its_name_and_the_remedy_or_is_counted(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    record("A").write(str(tmp_path / "a.mseed"), format="MSEED")
    record("B").write(str(tmp_path / "b.mseed"), format="MSEED")
    bad = tmp_path / "b.mseed"
    bad.write_bytes(damage(bad.read_bytes()))

    with pytest.raises(
        DataError, match=r"^Corrupt file .*b\.mseed: [^\n]+; repair or remove it, or set corrupt=skip\.$"
    ):
        scan(str(tmp_path), corrupt="fail")
    catalogue = scan(str(tmp_path), corrupt="skip")

    assert catalogue.channels == ("XX.A.00.HHZ",)
    assert catalogue.report.as_json() == {"corrupt file": {str(bad): 1}}
    reason = catalogue.report.lines()[-1]
    assert reason.startswith(f"Corrupt file {bad}: ")
    assert "corrupt=skip" not in reason  # which is what was done


def test_a_flipped_bit_is_found_by_the_check_of_the_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.mseed"
    record("A").write(str(path), format="MSEED", encoding="STEIM2")
    data = bytearray(path.read_bytes())
    data[4096 + 1500] ^= 0x40
    path.write_bytes(data)

    with pytest.raises(DataError, match=r"Corrupt file .*a\.mseed: .*integrity check"):
        read(path)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: scan(str(p / "nowhere")), r"There is no data path '.*nowhere'; name a folder"),
        (
            lambda p: scan(str(p / "full"), channels="YY.*"),
            r"holds nothing of channels 'YY\.\*' .* it has XX\.A\.00\.HHZ; mend channels",
        ),
        (
            lambda p: scan(str(p / "full"), start_ns=DAY.ns + 10_000 * NANO),
            r"in the time asked for; it has XX\.A\.00\.HHZ",
        ),
        (
            lambda p: scan(str(p / "notes")),
            r"it has no readable waveform there; mend start and end, or name another path",
        ),
    ],
)
def test_a_path_without_the_data_says_what_it_holds_and_what_to_do(
    ask: Callable[[Path], Any], message: str, tmp_path: Path
) -> None:
    for name in ("full", "notes"):
        (tmp_path / name).mkdir()
    record("A").write(str(tmp_path / "full" / "a.mseed"), format="MSEED")
    (tmp_path / "notes" / "recording").write_text("hello")

    with pytest.raises(DataError, match=message) as raised:
        ask(tmp_path)

    assert "\n" not in str(raised.value)
