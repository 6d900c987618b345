# SPDX-License-Identifier: Apache-2.0
"""Pictures: there, complete, the same each time, and nothing cut off."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from noise.canvas import snr_range
from noise.plots import draw
from noise.record_section import binned
from noise.store import Stacks


def pulses(lag_s: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    since = lag_s[None, :] - at_s[:, None]
    return np.asarray(np.exp(-((since / 0.3) ** 2)) * np.cos(6 * since))


def stacks(stations: int, *, located: bool = True) -> Stacks:
    """A field of 2 km/s on both sides of zero lag, the positive one stronger."""
    rng = np.random.default_rng(stations)
    first, second = np.triu_indices(stations, 1)
    latitudes, longitudes = rng.uniform(-21.3, -21.2, stations), rng.uniform(55.7, 55.8, stations)
    distance = np.hypot(111 * (latitudes[first] - latitudes[second]), 104 * (longitudes[first] - longitudes[second]))
    lag = np.arange(-300, 301) / 10
    traces = (
        pulses(lag, distance / 2) + 0.6 * pulses(lag, -distance / 2) + 0.05 * rng.normal(size=(len(first), len(lag)))
    )
    unknown = np.full(len(first), np.nan)
    return Stacks(
        path=Path("stacks.zarr"),
        traces=traces.astype(np.float32),
        lag_s=lag,
        first=first,
        second=second,
        windows=np.full(len(first), 100),
        columns={
            "distance": distance if located else unknown,
            "snr": rng.uniform(3, 20, len(first)) if located else unknown,
            "peak_lag": distance / 2 if located else unknown,
            "speed": np.full(len(first), 2.0) if located else unknown,
            "at_edge": np.arange(len(first)) % 9 == 2,
        },
        places={"latitude": latitudes, "longitude": longitudes, "elevation": np.zeros(stations)},
        channels=tuple(f"XX.S{k:03d}.00.HHZ" for k in range(stations)),
        attributes={
            "start": "2010-09-01T00:00:00",
            "end": "2010-09-02T00:00:00",
            "parameters": {
                "speeds_km_s": [1.0, 4.0],
                "band_hz": [0.5, 2.0],
                "normalisation": "one-bit",
                "whitening": "phase",
                "window_s": 60.0,
            },
        },
    )


@pytest.mark.parametrize(
    ("stations", "names"),
    [
        (2, ["record_section", "station_map"]),
        (3, ["record_section", "station_map"]),
        (8, ["record_section", "station_map", "pair_matrix"]),
        (30, ["record_section", "station_map", "pair_matrix"]),
    ],
)
def test_every_size_of_network_has_its_pictures(stations: int, names: list[str], tmp_path: Path) -> None:
    paths = draw(stacks(stations), tmp_path)

    assert list(paths) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.png" for name in names)
    for path in paths.values():
        image = imread(path)
        assert min(image.shape[:2]) > 900
        assert image[..., :3].std() > 0.05  # something is drawn


def test_the_same_stacks_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = draw(stacks(3), tmp_path / "one"), draw(stacks(3), tmp_path / "other")

    assert [Path(path).read_bytes() for path in one.values()] == [Path(path).read_bytes() for path in other.values()]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved, laid out."""
    saved: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        save(figure, *arguments, **options)
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        saved.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def drawn_texts(figure: Figure) -> list[Text]:
    """Every text of a figure but the labels of ticks outside the view, which exist and are not drawn."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            hidden |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return [
        text for text in figure.findobj(Text) if text not in hidden and text.get_visible() and text.get_text().strip()
    ]


@pytest.mark.parametrize("stations", [2, 3, 8, 30])
def test_no_text_is_cut_off_and_none_hides_another(stations: int, tmp_path: Path, figures: list[Figure]) -> None:
    draw(stacks(stations), tmp_path)

    for figure in figures:
        boxes = {text: text.get_window_extent() for text in drawn_texts(figure)}
        whole = figure.bbox
        assert [
            text.get_text()
            for text, box in boxes.items()
            if not (whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1)
        ] == []
        assert [
            (one.get_text(), other.get_text())
            for one, other in itertools.combinations(boxes, 2)
            if boxes[one].overlaps(boxes[other])
        ] == []


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("stations", "names"),
    [
        (3, {"correlation, scaled to 1", "envelope", "pick: largest |C| in the window", "pick at the edge: no peak"}),
        (8, {"correlation, scaled to 1", "pick: largest |C| in the window", "pick at the edge: no peak"}),
        (30, set()),
    ],
)
def test_the_record_section_says_what_each_mark_is(
    stations: int, names: set[str], tmp_path: Path, figures: list[Figure]
) -> None:
    draw(stacks(stations), tmp_path)

    assert set(legend_of(figures[0])) == names | {"signal window, 1 to 4 km/s", "2 km/s"}


def test_a_pick_at_the_edge_is_hollow_in_the_section_dotted_in_the_map_and_grey_in_the_matrix(
    tmp_path: Path, figures: list[Figure]
) -> None:
    """One pair in nine: of 28 pairs the third, the twelfth and the twenty-first."""
    draw(stacks(8), tmp_path)
    section, station_map, matrix = figures

    picks = {str(line.get_label()): line for line in section.axes[0].lines if line.get_marker() == "v"}
    assert len(picks["pick at the edge: no peak"].get_xdata()) == 3  # type: ignore[arg-type]
    assert len(picks["pick: largest |C| in the window"].get_xdata()) == 25  # type: ignore[arg-type]
    assert picks["pick at the edge: no peak"].get_markerfacecolor() == "white"
    assert [len(lines.get_segments()) for lines in station_map.axes[0].findobj(LineCollection)] == [25, 3]
    assert legend_of(station_map) == ["no peak: largest at the edge of the signal window"]
    ratios, flanks = matrix.axes[0].images
    assert np.ma.count(np.ma.asarray(ratios.get_array())) == 2 * 25
    assert np.ma.count(np.ma.asarray(flanks.get_array())) == 2 * 3
    assert any("dark grey: no peak, 3 pairs" in text.get_text() for text in drawn_texts(matrix))


@pytest.mark.parametrize(
    ("snr", "low", "high"),
    [
        ([9.2, 10.8, 8.4], 8.4, 10.8),
        ([9.0], 8.4, 9.6),  # a single pair: one unit around it
        ([np.nan, 150.0, 710.0], 140.0, 720.0),
        ([np.nan], 0.0, 1.0),
    ],
)
def test_the_colours_span_the_values(snr: list[float], low: float, high: float) -> None:
    assert snr_range(np.array(snr)) == pytest.approx((low, high))


def test_the_colours_of_many_pairs_leave_out_the_extremes_and_say_so(tmp_path: Path, figures: list[Figure]) -> None:
    many = stacks(30)
    many.columns["snr"][:2] = 500.0, 0.01
    draw(many, tmp_path)

    bar = next(axes for axes in figures[1].axes if axes.get_label() == "<colorbar>")
    low, high = bar.get_ylim()
    assert [low, high] == pytest.approx([2.0, 20.0])
    assert bar._colorbar.extend == "both"  # type: ignore[attr-defined]
    assert bar.get_ylabel() == "Signal-to-noise ratio (peak / RMS of the noise)"


def test_no_name_on_the_map_lies_on_a_station(tmp_path: Path, figures: list[Figure]) -> None:
    draw(stacks(8), tmp_path)
    axes = figures[1].axes[0]

    names = [text for text in axes.texts if text.get_text().startswith("XX.")]
    stations = axes.transData.transform(axes.collections[-1].get_offsets())
    assert len(names) == len(stations) == 8
    hidden = [text.get_text() for text in names if any(text.get_window_extent().contains(x, y) for x, y in stations)]
    assert hidden == []


def test_lags_too_short_for_any_speed_are_drawn_all_the_same(tmp_path: Path) -> None:
    short = stacks(3)
    few = slice(295, 306)  # +-0.5 s
    draw(replace(short, traces=short.traces[:, few], lag_s=short.lag_s[few]), tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["record_section.png", "station_map.png"]


def test_a_trace_that_is_all_zero_and_a_pair_in_one_place_are_drawn_all_the_same(tmp_path: Path) -> None:
    flat = stacks(3)
    flat.traces[0] = 0
    flat.columns["distance"][:] = 0.0
    draw(flat, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["record_section.png", "station_map.png"]


def test_the_image_is_the_mean_of_the_scaled_traces_of_a_bin() -> None:
    many = stacks(5)
    pairs, which = np.array([7, 1, 4, 9]), np.array([2, 0, 2, 2])
    scaled = many.traces / np.abs(many.traces).max(axis=1, keepdims=True)

    found = binned(many, pairs, which, 3)

    np.testing.assert_allclose(found[0], scaled[1], atol=1e-6)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], scaled[[4, 7, 9]].mean(axis=0), atol=1e-6)


def test_without_coordinates_there_is_the_matrix_alone(tmp_path: Path) -> None:
    assert list(draw(stacks(3, located=False), tmp_path)) == ["pair_matrix"]


def test_matplotlib_is_loaded_only_to_draw() -> None:
    import noise

    code = "import sys; import noise.plots; sys.exit('matplotlib' in sys.modules)"
    folder = str(Path(noise.__file__).parents[1])

    assert subprocess.run([sys.executable, "-c", code], cwd=folder).returncode == 0
