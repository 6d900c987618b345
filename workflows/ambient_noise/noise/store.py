# SPDX-License-Identifier: Apache-2.0
"""Stacks on disk: one Zarr group, written in a hidden folder beside its place and renamed when it is whole.

Pairs are rows, tile after tile, so that a tile is written in one go; `first` and `second` say which channels a row belongs to. Every array carries its
unit and the convention, so a file found alone can be read right.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from noise.archive import DataError
from noise.items import TileTraces
from noise.tiles import Tiling

Array = NDArray[Any]

NAME = "stacks.zarr"
CONVENTION = (
    "C_ij(tau) = sum_t u_i(t) u_j(t + tau), mean over windows; i = first, j = second, i < j in NET.STA.LOC.CHA order; "
    "positive lag is energy that travels from i to j; lags run from -L to L, zero lag at index L"
)
ROWS_A_CHUNK = 1024


class Kind(NamedTuple):
    """What an array of the group holds."""

    dtype: str
    dimensions: tuple[str, ...]
    unit: str
    meaning: str


COLUMNS = {  # measured, one value a pair
    "distance": Kind("float64", ("pair",), "km", "geodesic distance on WGS84"),
    "snr": Kind(
        "float64",
        ("pair",),
        "1",
        "that |C| over the RMS of the lags a period or more after the signal window, if these last a period",
    ),
    "peak_lag": Kind("float64", ("pair",), "s", "lag of the largest |C| in the signal window"),
    "speed": Kind("float64", ("pair",), "km/s", "apparent speed of that peak: distance / |peak lag|"),
    "at_edge": Kind(
        "bool", ("pair",), "1", "true: that |C| lies at the edge of the signal window, a flank and no peak"
    ),
}
PLACES = {  # one value a channel
    "latitude": Kind("float64", ("channel",), "degrees_north", "WGS84 latitude of the channel"),
    "longitude": Kind("float64", ("channel",), "degrees_east", "WGS84 longitude of the channel"),
    "elevation": Kind("float64", ("channel",), "m", "elevation of the channel above sea level"),
}
PAIRS = {
    "traces": Kind("float32", ("pair", "lag"), "1", "stacked correlation"),
    "first": Kind("int32", ("pair",), "1", "channel i, an index into the attribute channels"),
    "second": Kind("int32", ("pair",), "1", "channel j, an index into the attribute channels"),
    "windows": Kind("int32", ("pair",), "1", "windows that the pair has in common"),
}
LAG = Kind("float64", ("lag",), "s", "lag tau; positive: energy from first to second")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """A finished group, read lazily: `traces` is a Zarr array, the rest are in memory."""

    path: Path
    traces: Any  # (pairs, lags)
    lag_s: Array
    first: Array
    second: Array
    windows: Array
    columns: Mapping[str, Array]  # distance (km), snr, peak_lag (s), speed (km/s), at_edge
    places: Mapping[str, Array]  # latitude, longitude, elevation of each channel
    channels: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def pairs(self) -> int:
        return len(self.first)

    def name(self, pair: int) -> str:
        """Name a pair as a person would."""
        return f"{self.channels[self.first[pair]]} - {self.channels[self.second[pair]]}"


class Writer:
    """Writes the stacks of one run. Repeating a write changes nothing, so a run that goes back a little may do so."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def partial(self) -> Path:
        """Where the group is until it is whole."""
        return self.folder / f".{NAME}.partial"

    @property
    def path(self) -> Path:
        """Where it will be."""
        return self.folder / NAME

    def begin(self, tiling: Tiling, lag_s: Array) -> None:
        """Make an empty group; what an earlier run left unfinished is removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.partial.exists():
            shutil.rmtree(self.partial)
        group = _create(self.partial)
        pairs = pairs_before(tiling, len(tiling.tiles))
        for name, kind in PAIRS.items():
            _add(group, name, kind, (pairs, len(lag_s))[: len(kind.dimensions)])
        _add(group, "lag", LAG, lag_s.shape)[:] = lag_s

    def put(self, tiling: Tiling, tile: TileTraces) -> None:
        """Write the pairs of one tile."""
        group = _open(self._whole_or_partial(), "r+")
        start = pairs_before(tiling, tile.tile)
        rows = slice(start, start + len(tile.first))
        for name in PAIRS:
            group[name][rows] = getattr(tile, name)

    def batches(self) -> Iterator[tuple[slice, Array]]:
        """Yield the traces written so far, some thousand pairs at a time."""
        traces = _open(self._whole_or_partial(), "r")["traces"]
        for start in range(0, traces.shape[0], 4 * ROWS_A_CHUNK):
            rows = slice(start, min(start + 4 * ROWS_A_CHUNK, traces.shape[0]))
            yield rows, np.asarray(traces[rows])

    def pairs(self) -> tuple[Array, Array]:
        """Channels i and j of each row."""
        group = _open(self._whole_or_partial(), "r")
        return np.asarray(group["first"][:]), np.asarray(group["second"][:])

    def finish(
        self, *, columns: Mapping[str, Array], places: Mapping[str, Array], attributes: Mapping[str, Any]
    ) -> Path:
        """Add what was measured, and put the group in its place at once."""
        group = _open(self._whole_or_partial(), "r+")
        for values, kinds in ((columns, COLUMNS), (places, PLACES)):
            for name, kind in kinds.items():
                _add(group, name, kind, values[name].shape)[:] = values[name]
        group.attrs.update({"convention": CONVENTION, **attributes})
        self._swap()
        return self.path

    def _whole_or_partial(self) -> Path:
        """The group being written; a run that went back to before `finish` finds it in its place already and takes it out again."""
        if not self.partial.exists() and self.path.exists():
            self.path.rename(self.partial)
        return self.partial

    def _swap(self) -> None:
        old = self.folder / f".{NAME}.old"
        if old.exists():
            shutil.rmtree(old)
        if self.path.exists():
            self.path.rename(old)
        self.partial.rename(self.path)
        if old.exists():
            shutil.rmtree(old)


def load(path: str | Path) -> Stacks:
    """Open finished stacks: the Zarr group, or the output folder it is in. Raises DataError if there is none."""
    place = Path(path)
    place = place if place.suffix == ".zarr" else place / NAME
    if not place.is_dir():
        raise DataError(
            f"There are no stacks at {str(place)!r}; run the workflow with output={str(place.parent)!r} first."
        )
    group = _open(place, "r")
    if missing := [name for name in (*PAIRS, *COLUMNS, *PLACES) if name not in group]:
        raise DataError(
            f"The stacks at {str(place)!r} have no {missing[0]!r}: another version wrote them; run the workflow again."
        )
    attributes = dict(group.attrs)
    return Stacks(
        path=place,
        traces=group["traces"],
        lag_s=np.asarray(group["lag"][:]),
        first=np.asarray(group["first"][:]),
        second=np.asarray(group["second"][:]),
        windows=np.asarray(group["windows"][:]),
        columns={name: np.asarray(group[name][:]) for name in COLUMNS},
        places={name: np.asarray(group[name][:]) for name in PLACES},
        channels=tuple(attributes.get("channels", ())),
        attributes=attributes,
    )


def pairs_before(tiling: Tiling, tile: int) -> int:
    """Rows taken by the tiles before one."""
    total = 0
    for one in tiling.tiles[:tile]:
        i, j = one.shape
        total += i * (i - 1) // 2 if one.rows == one.columns else i * j
    return total


def _create(path: Path) -> Any:
    import zarr

    return zarr.open_group(str(path), mode="w")


def _open(path: Path, mode: Literal["r", "r+"]) -> Any:
    import zarr

    return zarr.open_group(str(path), mode=mode)


def _add(group: Any, name: str, kind: Kind, shape: tuple[int, ...]) -> Any:
    """Make an array that says what it holds; an earlier attempt at it is replaced.

    Zarr format 3; format 2 where Python 3.10 has zarr-python 2.
    """
    chunks = tuple(max(1, size) for size in shape)
    if len(shape) == 2:
        chunks = (min(ROWS_A_CHUNK, chunks[0]), chunks[1])
    fill: Any = {"bool": False, "int32": -1}.get(kind.dtype, float("nan"))
    options: dict[str, Any] = {
        "shape": shape,
        "dtype": kind.dtype,
        "chunks": chunks,
        "fill_value": fill,
        "overwrite": True,
    }
    attributes: dict[str, Any] = {"units": kind.unit, "long_name": kind.meaning, "convention": CONVENTION}
    if hasattr(group, "create_array"):
        array = group.create_array(name, dimension_names=kind.dimensions, **options)
    else:
        array = group.create_dataset(name, **options)
        attributes["_ARRAY_DIMENSIONS"] = list(kind.dimensions)
    array.attrs.update(attributes)
    return array
