# SPDX-License-Identifier: Apache-2.0
"""The whole workflow: a made-up network with a known speed, and a real day on a volcano."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import obspy
import pytest

import d4py
from noise.geometry import AXIS_M
from noise.store import load
from noise.synthetic import Field, plane_waves, stations_in_disc

FLAGSHIP = Path(__file__).parents[2] / "workflows" / "ambient_noise"
START = obspy.UTCDateTime("2020-01-01")
FIELD = Field(rate_hz=10.0, duration_s=3600.0, band_hz=(0.2, 2.0), speed_km_s=2.0, waves=120)
STATIONS = ("A", "B", "C", "D", "E", "F")
PARAMETERS = {
    "rate_hz": 5.0, "band_hz": [0.3, 1.5], "edge_hz": 0.1, "window_s": 40.0, "max_lag_s": 20.0, "segment_s": 600.0,
    "speeds_km_s": [1.0, 4.0], "block": 4, "slabs": 3, "tile": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six stations within 12 km, an hour of isotropic noise at 2 km/s, in two files a station; D has every kind of damage."""
    folder = tmp_path_factory.mktemp("network")
    places = stations_in_disc(len(STATIONS), radius_km=6.0, seed=8)
    samples = np.round(1000 * plane_waves(places, FIELD, seed=21)).astype(np.int32)
    lines = ["network,station,latitude,longitude,elevation_m"]
    for station, (east, north), data in zip(STATIONS, places, samples, strict=True):
        degree = np.degrees(1000 / AXIS_M)
        lines.append(f"XX,{station},{45 + north * degree:.6f},{7 + east * degree / np.cos(np.radians(45)):.6f},0")
        for number, (first, last) in enumerate(((0, 15_000), (14_000, 36_000))):  # overlap by 100 s
            write(folder / f"{station}{number}.mseed", station, data[first:last], first)
    write(folder / "D0.mseed", "D", samples[3][:9_000], 0)  # 900 to 1400 s are missing
    (folder / "E2.mseed").write_bytes(b"no seismogram")
    (folder / "stations.csv").write_text("\n".join(lines) + "\n")
    return folder


def write(path: Path, station: str, data: np.ndarray, first: int) -> None:
    header = {"network": "XX", "station": station, "location": "00", "channel": "HHZ", "sampling_rate": 10.0}
    obspy.Trace(data, {**header, "starttime": START + first / 10}).write(str(path), format="MSEED")


def run(network: Path, output: Path, mapping: str = "simple", processes: int | None = None, **changed: Any) -> Any:
    parameters = {**PARAMETERS, **changed, "data": str(network), "output": str(output)}
    return d4py.run(str(FLAGSHIP), mapping=mapping, processes=processes, parameters=parameters)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def expected(network: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    output = tmp_path_factory.mktemp("expected")
    return run(network, output), output


def test_the_speed_of_the_field_is_found_on_both_sides(expected: tuple[Any, Path]) -> None:
    """An hour of one field: the peak of a pair is within a third of a period, 0.5 s, of distance / 2 km/s."""
    stacks = load(expected[1])
    far = stacks.columns["distance"] > 3.0

    delay = np.abs(stacks.columns["peak_lag"]) - stacks.columns["distance"] / 2.0
    assert far.sum() >= 8
    assert np.median(np.abs(delay[far])) < 0.25
    assert (np.abs(delay[far]) < 0.6).all()
    assert np.median(stacks.columns["snr"][far]) > 6


def test_the_outputs_are_a_row_a_pair_by_distance_and_then_the_paths(expected: tuple[Any, Path]) -> None:
    result, output = expected
    *rows, last = [found.value for found in result.outputs]

    assert result.exit_code == 0
    assert len(rows) == 15
    assert list(rows[0]) == ["pair", "distance_km", "snr", "peak_lag_s", "speed_km_s", "at_edge", "windows"]
    assert [row["distance_km"] for row in rows] == sorted(row["distance_km"] for row in rows)
    assert {name: Path(path).name for name, path in last.items() if name != "report"} == {
        "stacks": "stacks.zarr",
        "record_section": "record_section.png",
        "station_map": "station_map.png",
        "pair_matrix": "pair_matrix.png",
    }
    assert all(Path(path).parent == output and Path(path).exists() for name, path in last.items() if name != "report")
    json.dumps([*rows, last])  # what an output file takes


def test_what_was_wrong_with_the_data_is_told_at_the_end(network: Path, expected: tuple[Any, Path]) -> None:
    """Every overlap lies in three segments' reach or fewer, the gap of D begins in one."""
    stacks = load(expected[1])
    told = stacks.attributes["report"]

    assert set(told) == {"corrupt file", "missing", "gap", "overlap"}
    assert told["corrupt file"] == {str(network / "E2.mseed"): 1}
    assert told["gap"] == {"XX.D.00.HHZ": 1}
    assert told["missing"] == {"XX.D.00.HHZ": 500}
    assert set(told["overlap"]) == {f"XX.{station}.00.HHZ" for station in STATIONS if station != "D"}


def test_a_pick_at_the_edge_of_its_window_is_told_in_rows_stacks_report_and_table(
    network: Path, tmp_path: Path
) -> None:
    """The field has 2 km/s; asked for 2.02 to 4, many pairs are largest at 2.02: the flank of what was left out."""
    result = run(network, tmp_path, speeds_km_s=[2.02, 4.0])
    *rows, last = [found.value for found in result.outputs]
    stacks = load(tmp_path)
    told = subprocess.run(
        [sys.executable, str(FLAGSHIP / "report.py"), str(tmp_path)], capture_output=True, text=True
    ).stdout.splitlines()

    marked = [row["pair"] for row in rows if row["at_edge"]]
    assert marked
    assert len(marked) < len(rows)
    assert sorted(marked) == sorted(stacks.name(int(pair)) for pair in np.flatnonzero(stacks.columns["at_edge"]))
    assert stacks.attributes["report"]["edge"] == dict.fromkeys(sorted(marked), 1)
    (line,) = (line for line in last["report"] if "edge of the signal window" in line)
    assert f"no peak: {len(marked)} ({marked[0]}" in line
    assert "widen speeds_km_s" in line
    assert line in told
    assert [row["pair"] for row in rows if any(line.startswith(row["pair"]) and "*" in line for line in told)] == marked


def test_a_signal_window_that_the_longest_lag_cuts_off_is_told(network: Path, tmp_path: Path) -> None:
    """At 1 km/s, pairs of more than 6 km need lags beyond 6 s."""
    run(network, tmp_path, max_lag_s=6.0)
    stacks = load(tmp_path)

    far = [stacks.name(int(pair)) for pair in np.flatnonzero(stacks.columns["distance"] > 6.0)]
    assert len(far) == 3
    assert stacks.attributes["report"]["cut off"] == dict.fromkeys(sorted(far), 1)
    bare = [stacks.name(int(pair)) for pair in np.flatnonzero(np.isnan(stacks.columns["snr"]))]
    assert len(bare) > len(far)  # a period, 3.3 s, has to pass after the window, and one more to be left
    assert stacks.attributes["report"]["no noise"] == dict.fromkeys(sorted(set(bare) - set(far)), 1)


def test_a_pair_is_divided_by_the_windows_it_has(expected: tuple[Any, Path]) -> None:
    """179 windows fit into the hour, two lie within the guard of its ends; D lost those that touch 900 to 1400 s, with guards."""
    stacks = load(expected[1])
    with_d = (stacks.first == 3) | (stacks.second == 3)

    assert set(stacks.windows[~with_d].tolist()) == {177}
    assert len(set(stacks.windows[with_d].tolist())) == 1
    assert 177 - 29 <= stacks.windows[with_d][0] <= 177 - 26


@pytest.mark.parametrize(("mapping", "processes"), [("threads", 3), ("multi", 2), ("multi", 5)])
def test_the_bits_are_the_same_on_every_mapping_and_number(
    mapping: str, processes: int, network: Path, expected: tuple[Any, Path], tmp_path: Path
) -> None:
    result = run(network, tmp_path, mapping, processes)

    assert result.exit_code == 0
    assert contents(tmp_path) == contents(expected[1])


@pytest.mark.parametrize("ranks", [2, 5])
def test_the_bits_are_the_same_on_any_number_of_ranks(
    ranks: int, network: Path, expected: tuple[Any, Path], tmp_path: Path
) -> None:
    parameters = {**PARAMETERS, "data": str(network), "output": str(tmp_path)}
    given = [
        f"--set={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in parameters.items()
    ]
    command = [sys.executable, "-m", "d4py.cli.main", "run", str(FLAGSHIP), "--mapping", "mpi", "-q", *given]

    told = subprocess.run(["mpiexec", "-n", str(ranks), *command], capture_output=True, text=True, timeout=150)

    assert told.returncode == 0, told.stderr
    assert contents(tmp_path) == contents(expected[1])


@pytest.mark.parametrize("changed", [{"block": 6}, {"block": 1}, {"slabs": 1}, {"slabs": 7}])
def test_blocks_and_slabs_move_work_and_change_no_bit(
    changed: dict[str, Any], network: Path, expected: tuple[Any, Path], tmp_path: Path
) -> None:
    run(network, tmp_path, **changed)

    assert np.asarray(load(tmp_path).traces[:]).tobytes() == np.asarray(load(expected[1]).traces[:]).tobytes()


@pytest.mark.parametrize("changed", [{"tile": 2}, {"segment_s": 1200.0}])
def test_tiles_and_segments_change_the_last_bits_alone(
    changed: dict[str, Any], network: Path, expected: tuple[Any, Path], tmp_path: Path
) -> None:
    """Tiles change the order of pairs and products, segments the order of sums (and, with one-bit, a sign on the zero line)."""
    run(network, tmp_path, **changed)
    found, whole = load(tmp_path), load(expected[1])
    order = np.lexsort((found.second, found.first)), np.lexsort((whole.second, whole.first))
    one, other = np.asarray(found.traces[:])[order[0]], np.asarray(whole.traces[:])[order[1]]

    assert np.abs(one - other).max() < 1e-3 * np.abs(other).max()
    assert found.windows[order[0]].tolist() == whole.windows[order[1]].tolist()


def test_a_time_that_is_asked_for_limits_the_windows(network: Path, tmp_path: Path) -> None:
    run(network, tmp_path, start="2020-01-01T00:20:00", end="2020-01-01T00:40:00", channels="XX.[AB].*")
    stacks = load(tmp_path)

    assert stacks.windows.tolist() == [59]  # all that fit: there is data on both sides, so no guard takes any
    assert stacks.attributes["channels"] == ["XX.A.00.HHZ", "XX.B.00.HHZ"]
    assert (stacks.attributes["start"][:19], stacks.attributes["end"][:19]) == (
        "2020-01-01T00:20:00",
        "2020-01-01T00:40:00",
    )


def test_without_coordinates_pairs_are_correlated_and_have_no_distance(network: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("A0.mseed", "B0.mseed"):
        (data / name).write_bytes((network / name).read_bytes())
    row, last = [found.value for found in run(data, tmp_path / "out").outputs]

    assert (row["pair"], row["distance_km"], row["speed_km_s"]) == ("XX.A.00.HHZ - XX.B.00.HHZ", None, None)
    assert row["windows"] > 60
    assert list(last) == ["stacks", "pair_matrix", "report"]
    assert last["report"] == ["channels without coordinates, so without distance: 2 (XX.A.00.HHZ, XX.B.00.HHZ)"]


def test_one_channel_is_no_pair(network: Path, tmp_path: Path) -> None:
    with pytest.raises(d4py.D4pyError, match=r"holds one channel, XX\.A\.00\.HHZ; a pair needs two"):
        run(network, tmp_path, channels="XX.A.*")


def test_the_report_prints_the_table_the_damage_and_each_path_on_one_line(
    network: Path, expected: tuple[Any, Path]
) -> None:
    output = expected[1]
    told = subprocess.run(
        [sys.executable, str(FLAGSHIP / "report.py"), str(output)],
        capture_output=True,
        text=True,
        env={"COLUMNS": "40"},
    )
    lines = told.stdout.splitlines()

    assert told.returncode == 0
    assert lines[0].split() == ["pair", "distance", "km", "SNR", "velocity", "km/s", "peak", "lag", "s"]
    assert "gaps: 1 (XX.D.00.HHZ)" in lines
    assert lines[-4:] == [
        str(output / name) for name in ("record_section.png", "station_map.png", "pair_matrix.png", "stacks.zarr")
    ]


def test_the_report_of_a_folder_without_stacks_is_one_line(tmp_path: Path) -> None:
    told = subprocess.run([sys.executable, str(FLAGSHIP / "report.py"), str(tmp_path)], capture_output=True, text=True)

    assert (told.returncode, told.stdout) == (1, "")
    assert (
        told.stderr
        == f"report: There are no stacks at '{tmp_path / 'stacks.zarr'}'; run the workflow with output='{tmp_path}' first.\n"
    )


def test_a_real_day_gives_what_physics_says(tmp_path: Path) -> None:
    """UnderVolc, 2010-09-01: surface waves of 0.84 to 0.98 km/s, SNR 5 to 12."""
    fetched = subprocess.run([sys.executable, str(FLAGSHIP / "fetch.py")], capture_output=True, text=True)
    assert fetched.returncode == 0, fetched.stderr
    result = d4py.run(str(FLAGSHIP), parameters={"data": fetched.stdout.strip(), "output": str(tmp_path)})
    *rows, last = [found.value for found in result.outputs]

    assert [(row["pair"], row["distance_km"]) for row in rows] == [
        ("YA.UV05.00.HHZ - YA.UV10.00.HHZ", 4.05),
        ("YA.UV05.00.HHZ - YA.UV06.00.HHZ", 4.1),
        ("YA.UV06.00.HHZ - YA.UV10.00.HHZ", 5.64),
    ]
    assert [row["speed_km_s"] for row in rows] == pytest.approx([0.85, 0.98, 0.92], abs=0.006)
    assert all(5 <= row["snr"] <= 12 for row in rows)
    assert [row["windows"] for row in rows] == [2877] * 3
    assert last["report"] == []
