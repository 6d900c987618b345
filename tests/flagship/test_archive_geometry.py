# SPDX-License-Identifier: Apache-2.0
"""Distances and places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from obspy.geodetics import gps2dist_azimuth

from noise.archive import DataError
from noise.geometry import distances_km, local_km, middle, read_stations, utm_to_geographic


def test_distances_are_obspys_to_a_millimetre() -> None:
    rng = np.random.default_rng(7)
    latitudes, longitudes = rng.uniform(-80, 80, 60), rng.uniform(-180, 180, 60)
    i, j = np.triu_indices(60, 1)

    found = distances_km(latitudes, longitudes, i, j)

    expected = [
        gps2dist_azimuth(latitudes[a], longitudes[a], latitudes[b], longitudes[b])[0] / 1000
        for a, b in zip(i, j, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_place_twice_is_zero_and_an_unknown_place_is_nan() -> None:
    latitudes, longitudes = np.array([10.0, 10.0, np.nan]), np.array([20.0, 20.0, np.nan])

    found = distances_km(latitudes, longitudes, np.array([0, 0]), np.array([1, 2]))

    np.testing.assert_array_equal(found, [0.0, np.nan])


def test_utm_is_turned_into_degrees_so_that_distances_fit_the_grid() -> None:
    """Between points 4.1 km apart the grid's scale, 0.99982 here, is the only difference."""
    places = [
        utm_to_geographic(366571, 7649794, zone=40, south=True),
        utm_to_geographic(370546, 7650803, zone=40, south=True),
    ]

    latitudes, longitudes = np.array(places).T
    geodesic = distances_km(latitudes, longitudes, np.array([0]), np.array([1]))[0]

    assert geodesic == pytest.approx(np.hypot(3.975, 1.009) / 0.99981, abs=2e-4)
    assert utm_to_geographic(500_000, 0, zone=31, south=False) == pytest.approx((0.0, 3.0), abs=1e-12)
    assert utm_to_geographic(448251.8, 5411932.7, zone=31, south=False) == pytest.approx((48.8582, 2.2945), abs=1e-4)


def test_a_map_across_the_date_line_keeps_distances() -> None:
    """Fiji: 178 degrees east and 179 degrees west are 3 degrees apart."""
    latitudes, longitudes = np.array([-17.0, -17.0]), np.array([178.0, -179.0])

    east, north = local_km(latitudes, longitudes)

    assert np.diff(east) == pytest.approx(distances_km(latitudes, longitudes, np.array([0]), np.array([1])), rel=1e-3)
    assert north.tolist() == [0.0, 0.0]
    assert middle(latitudes, longitudes) == pytest.approx((-17.0, 179.5))


def test_a_map_in_kilometres_keeps_distances() -> None:
    latitudes, longitudes = np.array([48.0, 48.1]), np.array([11.0, 11.2])

    east, north = local_km(latitudes, longitudes)

    assert np.hypot(*(np.diff(east), np.diff(north))) == pytest.approx(
        distances_km(latitudes, longitudes, np.array([0]), np.array([1])), rel=1e-4
    )


def test_a_table_of_stations_gives_places(tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text("network,station,latitude,longitude,elevation_m\nYA,UV05,-21.2,55.7,2523\n")

    assert read_stations(path) == {"YA.UV05": (-21.2, 55.7, 2523.0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("YA,UV05,1,2,3\n", r"stations\.csv has no column 'network'; its first line must be network,station"),
        (
            "network,station,latitude,longitude,elevation_m\nYA,UV05,1,2,3\nYA,UV06,x,2,3\n",
            r"stations\.csv line 3: could not convert",
        ),
        (
            "network,station,latitude,longitude,elevation_m\nYA,UV05,366571,7649794,3\n",
            r"line 2: 366571\.0, 7649794\.0 is no latitude",
        ),
        ("network,station,latitude,longitude,elevation_m\nYA,UV05,1\n", r"line 2: "),
    ],
)
def test_a_wrong_table_is_told_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        read_stations(path)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv' cannot be read: No such file"):
        read_stations(tmp_path / "none.csv")
