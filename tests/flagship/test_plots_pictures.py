# SPDX-License-Identifier: Apache-2.0
"""Pictures: there, complete, the same each time, and nothing cut off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from noise.plots import draw
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


@pytest.mark.parametrize("stations", [3, 8, 30])
def test_no_text_is_cut_off(stations: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut, seen = [], []
    save = Figure.savefig

    def look(figure: Figure, *arguments: Any, **options: Any) -> None:
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
        box = figure.bbox
        for text in drawn_texts(figure):
            extent = text.get_window_extent()
            seen.append(text.get_text())
            if not (box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1):
                cut.append(text.get_text())
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", look)
    draw(stacks(stations), tmp_path)

    assert {"Ambient-noise correlations", "Stations and pairs", "Signal-to-noise ratio"} <= set(seen)
    assert cut == []


def test_without_coordinates_there_is_the_matrix_alone(tmp_path: Path) -> None:
    assert list(draw(stacks(3, located=False), tmp_path)) == ["pair_matrix"]


def test_matplotlib_is_loaded_only_to_draw() -> None:
    import noise

    code = "import sys; import noise.plots; sys.exit('matplotlib' in sys.modules)"
    folder = str(Path(noise.__file__).parents[1])

    assert subprocess.run([sys.executable, "-c", code], cwd=folder).returncode == 0
