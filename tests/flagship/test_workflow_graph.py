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

from d4py.errors import ParameterError
from d4py.graph.load import find, load
from noise.correlate import evened
from noise.items import SlabSpectra
from noise.report import Report
from noise.settings import Settings
from workflow import InverseTile, RankUpdate, Segments, Write, configure

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


def test_a_tile_leaves_with_all_its_slabs_before_the_next_so_that_one_at_a_time_waits() -> None:
    """And the partial sums are given up for the totals: at the end of a month of a thousand stations memory is short."""
    pe, written = wired(RankUpdate(SETTINGS))
    for part in parts():
        pe.process({"input": part})
    pe.postprocess()

    assert [(v.tile, v.slab) for port, v in written if port == "output"] == list(itertools.product(range(6), range(3)))
    assert pe.stacks == {}


def test_reports_add_up_however_many_there_are() -> None:
    pe, _ = wired(Write(SETTINGS))
    for number in range(150):
        pe.process({"report": Report.of("gap", f"XX.{number % 5}")})

    assert len(pe.reports) < 70
    assert Report.sum(pe.reports).as_json() == {"gap": {f"XX.{k}": 30 for k in range(5)}}


def test_a_network_that_turns_out_too_large_is_refused_before_anything_is_read(two_stations: Path) -> None:
    """Names and a few headers told less than there is: the whole catalogue is known only now."""
    pe, written = wired(Segments(settings(data=str(two_stations), memory_gb=0.0001)))

    with pytest.raises(ParameterError, match=r"2 channels make 1 pair; .* memory_gb allows"):
        pe.process({})
    assert written == []


def test_slabs_with_fewer_windows_weigh_as_much_as_the_others() -> None:
    cross, counts = np.full((3, 2), 44 + 0j, np.complex64), np.array([44.0, 55.0])

    np.testing.assert_allclose(evened(cross, counts, np.array([55.0, 55.0]))[0], [55.0, 44.0])


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


def test_the_graph_is_loaded_by_the_name_of_its_folder(two_stations: Path, tmp_path: Path) -> None:
    parameters = {"data": str(two_stations), "output": str(tmp_path), "band_hz": "[0.4,3]"}
    graph = load(find(str(FLAGSHIP), parameters=parameters)).graph

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
