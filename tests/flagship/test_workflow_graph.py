# SPDX-License-Identifier: Apache-2.0
"""The graph and its PEs one by one: sums that do not depend on order or place, and parameters that are checked."""

from __future__ import annotations

import inspect
import itertools
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d4py.errors import InputError, ParameterError
from d4py.graph.load import find, load
from noise.items import SlabSpectra, TileSpectra
from noise.settings import Settings
from workflow import InverseTile, RankUpdate, configure, evened

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FLAGSHIP = Path(__file__).parents[2] / "workflows" / "ambient_noise"


DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(configure).parameters.items()}


def settings(**changed: Any) -> Settings:
    return Settings.of(**{**DEFAULTS, "data": "data", **changed})


SETTINGS = settings(
    rate_hz=4.0, band_hz=[0.5, 1.5], edge_hz=0.1, window_s=10.0, max_lag_s=5.0, segment_s=60.0, slabs=3, tile=2
)


def parts(segments: int = 5, blocks: int = 2) -> list[SlabSpectra]:
    """Spectra of 3 + 2 stations; block 1 has nothing in segment 2."""
    rng = np.random.default_rng(4)
    found = []
    for segment, block in itertools.product(range(segments), range(blocks)):
        stations = 3 if block == 0 else 2
        absent = (segment, block) == (2, 1)
        weights = np.zeros((stations, 11), np.float32) if absent else np.ones((stations, 11), np.float32)
        for slab, bins in enumerate(SETTINGS.grid.slabs):
            shape = (bins.stop - bins.start, stations, 11)
            spectra = None if absent else (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
            found.append(SlabSpectra(slab, segment, block, blocks, spectra, weights))
    return found


def wired(pe: Any) -> tuple[Any, list[tuple[str, Any]]]:
    written: list[tuple[str, Any]] = []
    pe._emit = {port: lambda value, port=port: written.append((port, value)) for port in pe.outputconnections}
    return pe, written


def summed(*shares: list[SlabSpectra]) -> list[tuple[str, Any]]:
    """Give each share to an instance of its own, merge the instances, and return what the first writes at the end."""
    first, written = wired(RankUpdate(SETTINGS))
    for number, share in enumerate(shares):
        pe = first if number == 0 else RankUpdate(SETTINGS)
        for part in share:
            pe.process({"input": part})
        if number:
            first.merge(pickle.loads(pickle.dumps(pe)))
    first.postprocess()
    return written


def bits(written: list[tuple[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((v.tile, v.slab, v.cross.tobytes(), v.counts.tobytes()) for port, v in written if port == "output")


def test_the_order_of_arrival_does_not_change_a_bit() -> None:
    expected = bits(summed(parts()))

    assert len(expected) == 3 * 6  # slabs, tiles
    for seed in range(5):
        mixed = parts()
        np.random.default_rng(seed).shuffle(mixed)
        assert bits(summed(mixed)) == expected


def test_partial_sums_of_several_instances_merge_to_the_same_bits() -> None:
    mixed = parts()
    np.random.default_rng(9).shuffle(mixed)

    assert bits(summed(mixed[::3], mixed[1::3], mixed[2::3])) == bits(summed(parts()))


def test_a_block_without_a_window_counts_for_nothing() -> None:
    (tile,) = (v for _, v in summed(parts()) if (v.tile, v.slab) == (5, 0))  # station 4 with itself: block 1
    assert tile.counts.tolist() == [4 * 11.0]


def test_a_segment_that_lost_a_block_is_left_out_and_told() -> None:
    lost = [part for part in parts() if (part.segment, part.block, part.slab) != (3, 0, 1)]
    written = summed(lost)

    assert [v.as_json() for port, v in written if port == "report"] == [{"incomplete": {"slab 1, segment 3": 1}}]
    counts = {v.slab: v.counts[0] for port, v in written if port == "output" and v.tile == 0}
    assert counts == {0: 55.0, 1: 44.0, 2: 55.0}


def test_slabs_with_fewer_windows_weigh_as_much_as_the_others() -> None:
    part = TileSpectra(0, 1, 2, np.full((3, 2), 44 + 0j, np.complex64), np.array([44.0, 55.0]))

    np.testing.assert_allclose(evened(part, np.array([55.0, 55.0]))[0], [55.0, 44.0])


def test_a_tile_is_transformed_when_its_last_slab_has_come() -> None:
    tiles = [v for port, v in summed(parts()) if port == "output" and v.tile == 1]
    pe, written = wired(InverseTile(SETTINGS))
    for part in reversed(tiles):
        assert written == []
        pe.process({"input": part})

    ((_, traces),) = written
    assert (traces.first.tolist(), traces.second.tolist()) == ([0, 0, 1, 1], [2, 3, 2, 3])
    assert traces.windows.tolist() == [55, 44, 55, 44]
    assert traces.traces.shape == (4, SETTINGS.grid.lags)


def test_the_file_of_parameters_and_configure_agree() -> None:
    declared = tomllib.loads((FLAGSHIP / "workflow.toml").read_text())["parameters"]

    assert declared == {name: list(value) if isinstance(value, tuple) else value for name, value in DEFAULTS.items()}


def test_every_parameter_tells_its_meaning_in_a_comment() -> None:
    lines = [line for line in (FLAGSHIP / "workflow.toml").read_text().splitlines() if " = " in line]

    assert [line for line in lines if line.split(" = ")[0] in DEFAULTS and "  # " not in line] == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "/nowhere"}, r"There is no data path '/nowhere'"),
        ({"band_hz": [1.0]}, r"band_hz is \[1\.0\]; it takes two numbers"),
        ({"band_hz": [2.0, 1.0]}, r"band_hz is 2\.0\.\.1\.0; it must rise"),
        ({"band_hz": [1.0, 12.0]}, r"band_hz is 1\.0\.\.12\.0; it must rise and lie in 0\.\.10\.0 Hz"),
        ({"rate_hz": 20.3}, r"rate_hz is 20\.3; it must be a multiple of 0\.125 Hz"),
        ({"overlap": 1.0}, r"overlap is 1\.0"),
        ({"max_lag_s": 61.0}, r"max_lag_s is 61\.0; it must lie in 0\.\.60\.0 s"),
        ({"segment_s": 100.0}, r"segment_s is 100\.0; it must be a multiple of 30 s"),
        ({"normalisation": "onebit"}, r"normalisation is 'onebit'; it must be one of none, one-bit"),
        ({"whitening": "yes"}, r"whitening is 'yes'; it must be one of none, phase"),
        ({"corrupt": "ignore"}, r"corrupt is 'ignore'; it must be one of skip, fail"),
        ({"block": 0}, r"block is 0; it must be 1 or more"),
        ({"start": "yesterday"}, r"start is 'yesterday'; write it as 2010-09-01"),
        ({"start": "2010-09-02", "end": "2010-09-01"}, r"end is '2010-09-01'; it must be later than start"),
        ({"speeds_km_s": [3.0, 1.0]}, r"speeds_km_s is 3\.0\.\.1\.0"),
        ({"response": "/nowhere.xml"}, r"There is no file '/nowhere\.xml'; mend response"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_before_the_run(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.mseed").write_bytes(b"anything")

    with pytest.raises((InputError, ParameterError), match=message):
        configure(**{"data": str(tmp_path), **changed})


def test_damage_is_told_before_the_run_where_it_must_not_be(tmp_path: Path) -> None:
    (tmp_path / "a.mseed").write_bytes(b"anything")

    with pytest.raises(
        InputError,
        match=r"Corrupt file .*a\.mseed: no format that ObsPy knows; repair or remove it, or set corrupt=skip",
    ):
        configure(data=str(tmp_path), corrupt="fail")


def test_without_data_the_script_that_fetches_a_day_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(
        InputError,
        match=r"No data are named; get a day with `python .*fetch\.py`, or name yours with --set data=FOLDER",
    ):
        configure()


def test_the_graph_is_loaded_by_the_name_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mseed").write_bytes(b"anything")
    graph = load(find(str(FLAGSHIP), parameters={"data": str(tmp_path), "band_hz": "[0.4,3]"})).graph

    assert [pe.id for pe in graph.pes] == [
        "Segments",
        "Read",
        "Preprocess",
        "WindowSpectra",
        "RankUpdate",
        "InverseTile",
        "Write",
        "Plot",
    ]
    assert [type(pe).stateless for pe in graph.pes] == [False, True, True, True, False, False, False, False]
