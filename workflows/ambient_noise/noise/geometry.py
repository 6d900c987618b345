# SPDX-License-Identifier: Apache-2.0
"""Where the stations are and how far apart."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.archive import DataError

Array = NDArray[Any]
Place = tuple[float, float, float]  # latitude and longitude in degrees (WGS84), elevation in metres

AXIS_M = 6_378_137.0  # WGS84
FLATTENING = 1 / 298.257223563
COLUMNS = ("network", "station", "latitude", "longitude", "elevation_m")


def read_stations(path: str | Path) -> dict[str, Place]:
    """Read a table of stations into NET.STA -> place. Raises DataError naming file and line.

    CSV with a header line: network,station,latitude,longitude,elevation_m.
    """
    places: dict[str, Place] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
                raise DataError(f"{path} has no column {missing[0]!r}; its first line must be {','.join(COLUMNS)}.")
            for line in table:
                latitude, longitude, elevation = (float(line[name]) for name in COLUMNS[2:])
                if not (-90 <= latitude <= 90 and -180 <= longitude <= 360):
                    raise ValueError(f"{latitude}, {longitude} is no latitude and longitude in degrees")
                places[f"{line['network']}.{line['station']}"] = latitude, longitude, elevation
    except OSError as error:
        raise DataError(
            f"The table of stations {str(path)!r} cannot be read: {error.strerror}; mend stations."
        ) from None
    except (ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} line {len(places) + 2}: {error}; write network,station,latitude,longitude,elevation_m."
        ) from None
    return places


def beside(data: str) -> Path | None:
    """Find the stations.csv of a data folder: in it, or beside the file."""
    root = Path(data)
    table = (root if root.is_dir() else root.parent) / "stations.csv"
    return table if table.is_file() else None


def distances_km(latitudes: Array, longitudes: Array, first: Array, second: Array) -> Array:
    """Geodesic distance of each pair on WGS84: float64, (pairs,); NaN where a place is unknown. Vincenty 1975, inverse formula.

    Agrees with ObsPy's gps2dist_azimuth to a millimetre, but for nearly antipodal pairs, for which the formula does not converge: NaN.
    """
    u = np.arctan((1 - FLATTENING) * np.tan(np.radians(latitudes)))
    sin_u, cos_u, longitude = np.sin(u), np.cos(u), np.radians(longitudes)
    result = np.empty(len(first))
    for start in range(0, len(first), 65_536):
        i, j = first[start : start + 65_536], second[start : start + 65_536]
        result[start : start + len(i)] = _vincenty(sin_u[i], cos_u[i], sin_u[j], cos_u[j], longitude[j] - longitude[i])
    return result / 1000


def utm_to_geographic(easting_m: float, northing_m: float, *, zone: int, south: bool) -> tuple[float, float]:
    """Latitude and longitude (degrees, WGS84) of a point in a UTM zone. Krueger's series to third order in n: below a millimetre."""
    n = FLATTENING / (2 - FLATTENING)
    radius = AXIS_M / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    xi = (northing_m - (10_000_000 if south else 0)) / (0.9996 * radius)
    eta = (easting_m - 500_000) / (0.9996 * radius)
    beta = (n / 2 - 2 / 3 * n**2 + 37 / 96 * n**3, n**2 / 48 + n**3 / 15, 17 / 480 * n**3)
    delta = (2 * n - 2 / 3 * n**2 - 2 * n**3, 7 / 3 * n**2 - 8 / 5 * n**3, 56 / 15 * n**3)
    xi_ = xi - sum(b * math.sin(2 * k * xi) * math.cosh(2 * k * eta) for k, b in enumerate(beta, 1))
    eta_ = eta - sum(b * math.cos(2 * k * xi) * math.sinh(2 * k * eta) for k, b in enumerate(beta, 1))
    chi = math.asin(math.sin(xi_) / math.cosh(eta_))
    latitude = chi + sum(d * math.sin(2 * k * chi) for k, d in enumerate(delta, 1))
    longitude = math.radians(6 * zone - 183) + math.atan2(math.sinh(eta_), math.cos(xi_))
    return math.degrees(latitude), math.degrees(longitude)


def local_km(latitudes: Sequence[float] | Array, longitudes: Sequence[float] | Array) -> tuple[Array, Array]:
    """East and north of the middle of the stations, in km, on a plane through it: for maps of some hundred km."""
    latitude, longitude = middle(latitudes, longitudes)
    north = np.radians(np.asarray(latitudes, float) - latitude)
    east = np.radians((np.asarray(longitudes, float) - longitude + 180) % 360 - 180)
    e2 = FLATTENING * (2 - FLATTENING)
    w = np.sqrt(1 - e2 * np.sin(np.radians(latitude)) ** 2)
    return AXIS_M / w * np.cos(np.radians(latitude)) * east / 1000, AXIS_M * (1 - e2) / w**3 * north / 1000


def middle(latitudes: Sequence[float] | Array, longitudes: Sequence[float] | Array) -> tuple[float, float]:
    """Mean latitude and longitude (degrees) of the places that are known; right across the date line, too."""
    lam = np.radians(np.asarray(longitudes, float))
    longitude = np.arctan2(np.nanmean(np.sin(lam)), np.nanmean(np.cos(lam)))
    return float(np.nanmean(np.asarray(latitudes, float))), float(np.degrees(longitude))


def _vincenty(sin_1: Array, cos_1: Array, sin_2: Array, cos_2: Array, difference: Array) -> Array:
    lam, change = difference.copy(), np.full(len(difference), np.inf)
    for _ in range(50):
        sin_lam, cos_lam = np.sin(lam), np.cos(lam)
        sin_s = np.hypot(cos_2 * sin_lam, cos_1 * sin_2 - sin_1 * cos_2 * cos_lam)
        cos_s = sin_1 * sin_2 + cos_1 * cos_2 * cos_lam
        sigma = np.arctan2(sin_s, cos_s)
        apart = sin_s > 0
        sin_a = np.divide(cos_1 * cos_2 * sin_lam, sin_s, out=np.zeros_like(lam), where=apart)
        cos2_a = 1 - sin_a**2
        cos_2m = cos_s - np.divide(2 * sin_1 * sin_2, cos2_a, out=np.zeros_like(lam), where=cos2_a > 1e-12)
        c = FLATTENING / 16 * cos2_a * (4 + FLATTENING * (4 - 3 * cos2_a))
        last, lam = (
            lam,
            difference
            + (1 - c) * FLATTENING * sin_a * (sigma + c * sin_s * (cos_2m + c * cos_s * (2 * cos_2m**2 - 1))),
        )
        change = np.abs(lam - last)
        if not (change > 1e-12).any():
            break
    minor = AXIS_M * (1 - FLATTENING)
    u2 = cos2_a * (AXIS_M**2 - minor**2) / minor**2
    a = 1 + u2 / 16384 * (4096 + u2 * (-768 + u2 * (320 - 175 * u2)))
    b = u2 / 1024 * (256 + u2 * (-128 + u2 * (74 - 47 * u2)))
    term = cos_2m * (4 * sin_s**2 - 3) * (4 * cos_2m**2 - 3)
    shift = b * sin_s * (cos_2m + b / 4 * (cos_s * (2 * cos_2m**2 - 1) - b / 6 * term))
    return np.asarray(np.where(change < 1e-9, minor * a * (sigma - shift), np.nan))
