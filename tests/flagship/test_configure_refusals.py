# SPDX-License-Identifier: Apache-2.0
"""What no run could honour is refused by `configure`, in one line, before anything starts: every parameter with a bad value."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.flagship.conftest import record

from d4py.errors import InputError, ParameterError
from noise.sizes import Memory
from workflow import configure

BAD: list[tuple[dict[str, Any], str]] = [
    ({"data": "/nowhere"}, r"There is no data path '/nowhere'; name a folder"),
    ({"output": ""}, r"output is empty; name a folder"),
    ({"output": "/proc/x"}, r"output is '/proc/x'; nothing can be written in /proc \([^)]+\): name another folder"),
    ({"start": "yesterday"}, r"start is 'yesterday'; write it as 2010-09-01"),
    ({"start": "2021-01-01"}, r"in the time asked for.* 2020-01-01T00:00:00 to 2020-01-01T00:05:00; mend start or end"),
    ({"end": "2009-01-01"}, r"in the time asked for.* 2020-01-01T00:00:00 to 2020-01-01T00:05:00; mend start or end"),
    ({"start": "2010-09-02", "end": "2010-09-01"}, r"end is '2010-09-01'; it must be later than start"),
    (
        {"start": "2020-01-01T00:00:00", "end": "2020-01-01T00:00:30"},
        r"end is 30 s after start; no window of 60 s fits: move end, or shorten window_s",
    ),
    ({"start": "2020-01-01T00:04:30"}, r"No two channels .* 60 s .* in the time asked for; shorten window_s"),
    ({"channels": "YY.*"}, r"holds nothing of channels 'YY\.\*'; it has XX\.A\.00\.HHZ, XX\.B\.00\.HHZ: mend channels"),
    ({"channels": ""}, r"holds nothing of channels ''; it has XX\.A"),
    ({"channels": "*.A.*"}, r"holds one channel, XX\.A\.00\.HHZ; a pair needs two: widen channels or data"),
    ({"response": "/nowhere.xml"}, r"There is no file '/nowhere\.xml'; mend response"),
    ({"response": __file__}, r"test_configure_refusals\.py' is no station metadata .*; give a StationXML as response"),
    ({"stations": "/nowhere.csv"}, r"There is no file '/nowhere\.csv'; mend stations"),
    ({"stations": __file__}, r"test_configure_refusals\.py has no column 'network'; its first line must be network,"),
    ({"corrupt": "ignore"}, r"corrupt is 'ignore'; it must be one of skip, fail"),
    ({"rate_hz": 20.3}, r"rate_hz is 20\.3; it must be a multiple of 0\.125 Hz"),
    ({"rate_hz": 0.0}, r"rate_hz is 0\.0; it must be a multiple of 0\.125 Hz above 0"),
    ({"rate_hz": float("inf")}, r"rate_hz is inf; it must be a finite number"),
    ({"band_hz": [1.0]}, r"band_hz is \[1\.0\]; it takes two numbers"),
    ({"band_hz": ["a", 1.0]}, r"band_hz is \['a', 1\.0\]; it takes two numbers"),
    ({"band_hz": [2.0, 1.0]}, r"band_hz is 2\.0\.\.1\.0; it must rise"),
    ({"band_hz": [1.0, 12.0]}, r"band_hz is 1\.0\.\.12\.0; it must rise and lie in 0\.\.10\.0 Hz \(Nyquist\)"),
    ({"band_hz": [float("nan"), 1.0]}, r"band_hz is nan\.\.1\.0; it must rise"),
    ({"band_hz": [0.01, 1.0]}, r"band_hz begins at 0\.01 Hz; a period of 100 s does not fit into a window of 60 s"),
    (
        {"band_hz": [1.0, 1.0125], "edge_hz": 0.0},
        r"band_hz is 0\.0125 Hz wide; a window of 60 s tells 0\.01667 Hz apart",
    ),
    ({"band_hz": [1.0, 15.0], "rate_hz": 40.0}, r"band_hz reaches 15 Hz, which needs 30 samples a second.* 20 Hz"),
    ({"edge_hz": -0.1}, r"edge_hz is -0\.1; two edges must fit into the band"),
    ({"edge_hz": 0.6}, r"edge_hz is 0\.6; two edges must fit into the band"),
    ({"normalisation": "onebit"}, r"normalisation is 'onebit'; it must be one of none, one-bit"),
    ({"running_s": 0.0}, r"running_s is 0\.0; it must be above 0"),
    ({"running_s": float("nan")}, r"running_s is nan; it must be a finite number"),
    ({"running_s": 4000.0}, r"running_s is 4000\.0; it must be at most segment_s, 3600"),
    ({"clip_rms": -1.0}, r"clip_rms is -1\.0; it must be above 0"),
    ({"window_s": 0.01}, r"window_s is 0\.01; a window needs two samples"),
    ({"window_s": 600.0, "segment_s": 600.0}, r"No two channels .* 600 s .*; shorten window_s"),
    ({"overlap": 1.0}, r"overlap is 1\.0; it is the shared part of a window: 0 <= overlap < 1"),
    ({"overlap": -0.5}, r"overlap is -0\.5"),
    ({"whitening": "yes"}, r"whitening is 'yes'; it must be one of none, phase"),
    ({"whitening_hz": -1.0}, r"whitening_hz is -1\.0; it must be above 0"),
    ({"whitening_hz": 11.0}, r"whitening_hz is 11\.0; it must be at most 10 Hz \(Nyquist\)"),
    ({"max_lag_s": 61.0}, r"max_lag_s is 61\.0; it must lie in 0\.\.60\.0 s, the window"),
    ({"max_lag_s": 0.0}, r"max_lag_s is 0\.0; it must be 0\.05 s, one sample, or more"),
    ({"speeds_km_s": [3.0, 1.0]}, r"speeds_km_s is 3\.0\.\.1\.0; it must rise"),
    ({"speeds_km_s": ["slow", "fast"]}, r"speeds_km_s is \['slow', 'fast'\]; it takes two numbers"),
    ({"segment_s": 100.0}, r"segment_s is 100\.0; it must be a multiple of 30 s"),
    ({"segment_s": 0.5}, r"segment_s is 0\.5; a segment is a whole number of seconds"),
    ({"block": 0}, r"block is 0; it must be 1 or more"),
    ({"slabs": -3}, r"slabs is -3; it must be 1 or more"),
    ({"tile": 0}, r"tile is 0; it must be 1 or more"),
    ({"memory_gb": -1.0}, r"memory_gb is -1\.0; it must be 0 or more"),
    ({"memory_gb": 0.0001}, r"2 channels make 1 pair; .* memory_gb allows 0\.0001 GB: lower block or segment_s; or"),
    ({"overlap": 0.9999, "memory_gb": 0.2}, r"most of it for spectra of a segment, .*: lower overlap"),
]


@pytest.mark.parametrize(("changed", "message"), BAD, ids=[str(changed) for changed, _ in BAD])
def test_a_parameter_that_cannot_be_is_refused_before_the_run(
    changed: dict[str, Any], message: str, two_stations: Path, tmp_path: Path
) -> None:
    with pytest.raises((InputError, ParameterError), match=message) as raised:
        configure(**{"data": str(two_stations), "output": str(tmp_path / "out"), **changed})

    assert "\n" not in str(raised.value)


def test_every_parameter_has_its_bad_value() -> None:
    assert {name for changed, _ in BAD for name in changed} == set(inspect.signature(configure).parameters)


def test_what_is_good_is_not_refused_and_leaves_no_trace(two_stations: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    configure(data=str(two_stations), output=str(tmp_path / "deep" / "out"))

    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(("output", "message"), [
    ("two/A.mseed", r"A\.mseed is a file: name another folder"),
    ("two/A.mseed/below", r"A\.mseed is a file: name another folder"),
    ("taken", r"stacks\.zarr is a file: remove it, or name another folder"),
])  # fmt: skip
def test_an_output_that_cannot_become_a_folder_is_refused(
    output: str, message: str, two_stations: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "stacks.zarr").write_text("mine")

    with pytest.raises(ParameterError, match=message):
        configure(data=str(two_stations), output=str(tmp_path / output))


def test_an_output_without_permission_is_refused(
    two_stations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system says it, since whoever runs this may be allowed everything."""

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(
        ParameterError, match=r"nothing can be written in .* \(Permission denied\): name another folder"
    ):
        configure(data=str(two_stations), output=str(tmp_path / "out"))


def test_damage_is_told_before_the_run_where_it_must_not_be(two_stations: Path, tmp_path: Path) -> None:
    (two_stations / "c.mseed").write_bytes(b"anything")

    with pytest.raises(
        InputError,
        match=r"Corrupt file .*c\.mseed: no format that ObsPy knows; repair or remove it, or set corrupt=skip",
    ):
        configure(data=str(two_stations), output=str(tmp_path / "out"), corrupt="fail")


def test_a_folder_of_nothing_but_damage_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "a.mseed").write_bytes(b"anything")

    with pytest.raises(InputError, match=r"holds no waveform that can be read .*a\.mseed: no format that ObsPy knows"):
        configure(data=str(tmp_path), output=str(tmp_path / "out"))


def test_a_folder_without_a_waveform_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(InputError, match=r"holds no waveform file; name a folder with MiniSEED or SAC files"):
        configure(data=str(tmp_path), output=str(tmp_path / "out"))


def test_channels_that_never_record_at_once_are_told_before_the_run(tmp_path: Path) -> None:
    record("A").write(str(tmp_path / "a.mseed"), format="MSEED")
    record("B", start="2020-01-02").write(str(tmp_path / "b.mseed"), format="MSEED")

    with pytest.raises(InputError, match=r"No two channels have 60 s of data at once"):
        configure(data=str(tmp_path), output=str(tmp_path / "out"))


def test_records_in_many_short_files_are_one_stretch(tmp_path: Path) -> None:
    for minute in range(4):
        for station in "AB":
            trace = record(station, start=f"2020-01-01T00:0{minute}:00", seconds=60.0)
            trace.write(str(tmp_path / f"{station}{minute}.mseed"), format="MSEED")

    configure(data=str(tmp_path), output=str(tmp_path / "out"))


def test_without_data_the_script_that_fetches_a_day_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(
        InputError,
        match=r"No data are named; get a day with `python .*fetch\.py`, or name yours with --set data=FOLDER",
    ):
        configure(output=str(tmp_path / "out"))


def archive(folder: Path, stations: int, days: int) -> Path:
    """An SDS archive by its names: five minutes of the first day are there, the other files are empty."""
    folder.mkdir()
    for number in range(stations):
        for day in range(1, days + 1):
            path = folder / f"XX.S{number:04d}.00.HHZ.D.2020.{day:03d}"
            if day == 1:
                record(f"S{number:04d}").write(str(path), format="MSEED")
            else:
                path.touch()
    return folder


def test_a_network_too_large_for_the_memory_is_refused_with_a_number_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 days of 300 stations: 44,850 pairs, 881 bins, 8 bytes, and what the tiles on the diagonal have twice: 0.4 GB a sum."""
    monkeypatch.setattr(Memory, "of_machine", classmethod(lambda cls: Memory(total=2 << 30, limit="this machine has")))
    data = archive(tmp_path / "sds", 300, 20)
    wide = {"data": str(data), "output": str(tmp_path / "out"), "band_hz": [0.1, 9.9], "edge_hz": 0.05}

    with pytest.raises(ParameterError) as raised:
        configure(**wide)  # type: ignore[arg-type]
    told = str(raised.value)

    assert told.startswith("300 channels make 44,850 pairs; that takes ")
    assert "9 sums of 881 frequencies for 480 segments" in told
    assert "this machine has 2.1 GB" in told
    assert "band_hz" in told
    assert "segment_s" in told
    assert "\n" not in told
    configure(**{**wide, "band_hz": [0.55, 1.6]})  # type: ignore[arg-type]
    configure(**wide, memory_gb=64.0)  # type: ignore[arg-type]


def test_stacks_too_large_for_the_disk_are_refused_with_a_number_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """44,850 pairs of 1,201 lags: 215 MB."""
    data = archive(tmp_path / "sds", 300, 2)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100_000_000))

    with pytest.raises(ParameterError, match=r"stacks of 44,850 pairs take 0\.22 GB.* has 0\.1 GB free; .*max_lag_s"):
        configure(data=str(data), output=str(tmp_path / "out"))


@pytest.mark.parametrize(("tile", "message"), [
    (1, r"tile is 1; 300 channels would be cut into 45,150 tiles, 20,000 are the most: raise tile"),
    (300, r"tile is 300; the traces of a tile would take 2\.2 GB, .* lower tile"),
])  # fmt: skip
def test_tiles_that_are_too_many_or_too_large_are_refused(tile: int, message: str, tmp_path: Path) -> None:
    data = archive(tmp_path / "sds", 300, 1)
    lags = 30.0 if tile == 1 else 60.0  # 60 s at 100 Hz: 12,001 of them
    with pytest.raises(ParameterError, match=message):
        configure(data=str(data), output=str(tmp_path / "out"), tile=tile, max_lag_s=lags, rate_hz=100.0)
