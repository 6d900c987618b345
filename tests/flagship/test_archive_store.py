# SPDX-License-Identifier: Apache-2.0
"""Stacks on disk: whole or not there, and readable by someone who has only them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from noise.archive import DataError
from noise.items import TileTraces
from noise.store import COLUMNS, CONVENTION, PLACES, Writer, load, pairs_before
from noise.tiles import Tiling

TILING = Tiling(stations=5, tile_stations=2)
LAG_S = np.arange(-3, 4) / 2.0
PLACED = {name: np.arange(5.0) for name in PLACES}


def tiles() -> list[TileTraces]:
    found = []
    for tile in TILING.tiles:
        _, i, j = tile.pairs()
        traces = (100 * i + j)[:, None] + LAG_S[None, :].astype(np.float32)
        found.append(TileTraces(tile.number, 5, i, j, traces.astype(np.float32), np.full(len(i), 7, np.int32)))
    return found


def measured() -> dict[str, np.ndarray]:
    return {name: np.arange(10.0) for name in COLUMNS}


def finish(writer: Writer, **more: object) -> Path:
    return writer.finish(columns=measured(), places=PLACED, attributes={"channels": list("ABCDE"), **more})


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    found = Writer(tmp_path)
    found.begin(TILING, LAG_S)
    return found


def test_every_pair_is_found_where_its_indices_say(writer: Writer) -> None:
    for tile in tiles():
        writer.put(TILING, tile)
    stacks = load(finish(writer))

    assert sorted(zip(stacks.first.tolist(), stacks.second.tolist(), strict=True)) == [
        (i, j) for i in range(5) for j in range(i + 1, 5)
    ]
    np.testing.assert_array_equal(stacks.traces[:, 3], 100 * stacks.first + stacks.second)
    np.testing.assert_array_equal(stacks.lag_s, [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
    assert stacks.name(0) == "A - B"


def test_every_array_carries_unit_meaning_and_convention(writer: Writer) -> None:
    for tile in tiles():
        writer.put(TILING, tile)
    group = zarr.open_group(str(finish(writer)), mode="r")
    arrays = dict(group.arrays())

    assert set(arrays) == {"traces", "lag", "first", "second", "windows", *COLUMNS, *PLACES}
    for array in arrays.values():
        assert array.attrs["units"]
        assert array.attrs["long_name"]
        assert array.attrs["convention"] == CONVENTION
    assert group.attrs["convention"] == CONVENTION
    assert (arrays["traces"].dtype, arrays["lag"].attrs["units"], arrays["speed"].attrs["units"]) == (
        np.dtype("f4"),
        "s",
        "km/s",
    )


def test_the_order_of_tiles_and_a_repeated_tile_do_not_change_a_byte(tmp_path: Path) -> None:
    paths = []
    for name, order in (("one", tiles()), ("other", [*tiles()[::-1], tiles()[2]])):
        writer = Writer(tmp_path / name)
        writer.begin(TILING, LAG_S)
        for tile in order:
            writer.put(TILING, tile)
        paths.append(finish(writer))

    assert files(paths[0]) == files(paths[1])


def test_nothing_is_in_its_place_before_it_is_whole(writer: Writer, tmp_path: Path) -> None:
    writer.put(TILING, tiles()[0])

    with pytest.raises(DataError, match=r"There are no stacks at '.*stacks\.zarr'; run the workflow with output="):
        load(tmp_path)


def test_a_second_run_replaces_the_first_and_leaves_nothing_else(writer: Writer, tmp_path: Path) -> None:
    finish(writer, run=1)
    again = Writer(tmp_path)
    again.begin(TILING, LAG_S)
    finish(again, run=2)

    assert load(tmp_path).attributes["run"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["stacks.zarr"]


def test_a_run_that_goes_back_after_the_end_can_write_and_finish_again(writer: Writer, tmp_path: Path) -> None:
    for tile in tiles():
        writer.put(TILING, tile)
    before = files(finish(writer))
    writer.put(TILING, tiles()[-1])

    assert files(finish(Writer(tmp_path))) == before


def test_pairs_before_a_tile_counts_the_upper_triangle() -> None:
    assert [pairs_before(TILING, number) for number in range(7)] == [0, 1, 5, 7, 8, 10, 10]
