# SPDX-License-Identifier: Apache-2.0
"""Pictures of the stacks: a record section, a map of the stations, and the matrix of all pairs.

Matplotlib is imported when something is drawn, with the backend that needs no display.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.geometry import local_km
from noise.store import Stacks

Array = NDArray[Any]

INK, TRACE, ENVELOPE, ACCENT = "#1b2733", "#22577a", "#f2a65a", "#c8553d"
GRID, MUTED, EMPTY = "#d9dee3", "#66727f", "#eef1f4"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 22,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "out",
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "text.color": INK,
}
MOST_TRACES = 40  # more are binned by distance into an image
SNR_COLOURS = "viridis_r"
MATRIX_FROM = 5  # a matrix of fewer says nothing that the table does not


def draw(stacks: Stacks, folder: Path) -> dict[str, str]:
    """Draw what these stacks allow into a folder: name of the picture -> its path. Without coordinates there is only the matrix."""
    located = np.isfinite(stacks.columns["distance"])
    paths = {}
    if located.any():
        paths["record_section"] = record_section(stacks, folder / "record_section.png")
        paths["station_map"] = station_map(stacks, folder / "station_map.png")
    if len(stacks.channels) >= MATRIX_FROM or not paths:
        paths["pair_matrix"] = pair_matrix(stacks, folder / "pair_matrix.png")
    return {name: str(path) for name, path in paths.items()}


def record_section(stacks: Stacks, path: Path) -> Path:
    """Lag traces by distance, with their envelopes and lines of constant speed; binned into an image if there are many."""
    distance = stacks.columns["distance"]
    pairs = np.flatnonzero(np.isfinite(distance) & (stacks.windows > 0))
    pairs = pairs[np.argsort(distance[pairs], kind="stable")]
    with _figure(path, (7.2, 5.4)) as figure:
        axes = figure.add_subplot()
        if len(pairs) <= MOST_TRACES:
            _wiggles(axes, stacks, pairs)
        else:
            _image(axes, figure, stacks, pairs)
        axes.set_xlim(stacks.lag_s[0], stacks.lag_s[-1])
        axes.set_xlabel(
            "$\\leftarrow$ energy from the second station to the first      Lag (s)      from the first to the second $\\rightarrow$"
        )
        axes.set_title("Ambient-noise correlations", pad=38)
        _subtitle(axes, stacks, above=23)
    return path


def station_map(stacks: Stacks, path: Path) -> Path:
    """Stations in kilometres, pairs as lines coloured by SNR, a scale bar."""
    from matplotlib.collections import LineCollection

    names = [channel.rsplit(".", 2)[0] for channel in stacks.channels]
    east, north = local_km(stacks.places["latitude"], stacks.places["longitude"])
    snr, first, second = stacks.columns["snr"], stacks.first, stacks.second
    shown = np.flatnonzero(np.isfinite(stacks.columns["distance"]) & np.isfinite(snr))
    shown = shown[np.argsort(snr[shown], kind="stable")][-2000:]  # the best on top
    few = len(names) <= 16
    size, edge, width = (130, 1.2, 2.2) if few else (48, 0.6, 0.6)
    with _figure(path, (6.6, 5.8)) as figure:
        axes = figure.add_subplot()
        ends = np.stack([np.column_stack([east[k[shown]], north[k[shown]]]) for k in (first, second)], axis=1)
        lines = LineCollection(
            list(ends), array=snr[shown], cmap=SNR_COLOURS, clim=(0, _high(snr)), linewidths=width, zorder=2
        )
        axes.add_collection(lines)
        axes.scatter(east, north, s=size, marker="^", color=ACCENT, edgecolor="white", linewidth=edge, zorder=4)
        _frame_map(axes, east, north)
        if few:
            _label_stations(axes, names, east, north)
        _scale_bar(axes)
        axes.set_aspect("equal")
        axes.set_xlabel("East (km)")
        axes.set_ylabel("North (km)")
        axes.grid(color=GRID, linewidth=0.6, zorder=0)
        _snr_bar(figure, axes, lines, snr)
        axes.set_title("Stations and pairs")
        latitude, longitude = (float(np.nanmean(stacks.places[name])) for name in ("latitude", "longitude"))
        centre = f"{abs(latitude):.3f}° {'NS'[latitude < 0]}, {abs(longitude):.3f}° {'EW'[longitude < 0]}"
        _subtitle(axes, stacks, f"{len(set(names))} stations, {stacks.pairs:,} pairs; origin {centre} (WGS84)")
    return path


def pair_matrix(stacks: Stacks, path: Path) -> Path:
    """SNR of every pair as a symmetric matrix."""
    n = len(stacks.channels)
    matrix = np.full((n, n), np.nan)
    matrix[stacks.first, stacks.second] = matrix[stacks.second, stacks.first] = stacks.columns["snr"]
    with _figure(path, (6.6, 5.8)) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(matrix, cmap=SNR_COLOURS, vmin=0, vmax=_high(matrix), interpolation="nearest")
        axes.set_facecolor(EMPTY)
        ticks = np.arange(0, n, max(1, int(np.ceil(n / 24))))
        labels = [_brief(stacks, channel) for channel in (stacks.channels[k] for k in ticks)]
        axes.set_xticks(ticks, labels, rotation=90, fontsize=7.5)
        axes.set_yticks(ticks, labels, fontsize=7.5)
        _snr_bar(figure, axes, image, matrix)
        axes.set_title("All pairs")
        _subtitle(axes, stacks, f"{n} channels, {stacks.pairs:,} pairs; grey: not measured")
    return path


@contextmanager
def _figure(path: Path, size: tuple[float, float]) -> Iterator[Any]:
    """A figure that is saved under its name only when it is complete."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        figure.savefig(partial, format="png", metadata={"Software": None})  # the same picture, the same bytes
        partial.replace(path)


def _wiggles(axes: Any, stacks: Stacks, pairs: Array) -> None:
    """One row a pair, evenly spaced, so that pairs of almost one distance can be read; the move-out lines go through each row at its own distance."""
    from scipy.signal import hilbert

    traces = np.stack([np.asarray(stacks.traces[int(pair)]) for pair in pairs]).astype(np.float64)
    envelopes = np.abs(hilbert(traces, axis=1))
    few = len(pairs) <= 12
    scale = (0.48 if few else 0.95) / envelopes.max(axis=1, keepdims=True)
    for row, (trace, envelope, pair) in enumerate(zip(traces * scale, envelopes * scale, pairs, strict=True)):
        axes.fill_between(
            stacks.lag_s, row - envelope, row + envelope, color=ENVELOPE, alpha=0.3, linewidth=0, zorder=2
        )
        axes.plot(stacks.lag_s, row + trace, color=TRACE, linewidth=0.9 if few else 0.6, zorder=3)
        peak = stacks.columns["peak_lag"][pair]
        if np.isfinite(peak):
            axes.plot(
                peak, row + 0.5, marker="v", markersize=6 if few else 3, color=ACCENT, markeredgecolor="white", zorder=5
            )
    distance = stacks.columns["distance"][pairs]
    bottom, top = (-0.62, len(pairs) - 0.38) if few else (-1.1, len(pairs) + 0.1)
    names = [
        f"{_short(stacks, pair)}\n{km:.2f} km" if few else f"{km:.1f}" for pair, km in zip(pairs, distance, strict=True)
    ]
    every = 1 if few else max(1, len(pairs) // 20)
    axes.set_yticks(np.arange(0, len(pairs), every), names[::every])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(bottom, top)
    axes.set_ylabel("Pair, in order of distance" if few else "Distance of the pair (km), in order")
    rows = np.concatenate([[bottom], np.arange(len(pairs)), [top]])
    _move_out(axes, stacks, np.concatenate([distance[:1], distance, distance[-1:]]), rows)


def _image(axes: Any, figure: Any, stacks: Stacks, pairs: Array) -> None:
    distance = stacks.columns["distance"][pairs]
    edges = np.linspace(0, distance.max() * 1.0001, min(120, max(20, len(pairs) // 12)) + 1)
    which = np.digitize(distance, edges) - 1
    total, count = np.zeros((len(edges) - 1, len(stacks.lag_s))), np.zeros(len(edges) - 1)
    for start in range(0, stacks.pairs, 4096):
        rows = np.asarray(stacks.traces[start : start + 4096])
        inside = np.flatnonzero((pairs >= start) & (pairs < start + len(rows)))
        chosen = rows[pairs[inside] - start].astype(np.float64)
        chosen /= np.maximum(np.abs(chosen).max(axis=1, keepdims=True), np.finfo(float).tiny)
        np.add.at(total, which[inside], chosen)
        np.add.at(count, which[inside], 1)
    mean = np.divide(total, count[:, None], out=np.full_like(total, np.nan), where=count[:, None] > 0)
    strongest = np.nanmax(np.abs(mean), axis=1, keepdims=True, initial=np.finfo(float).tiny)
    image = axes.pcolormesh(
        stacks.lag_s,
        (edges[1:] + edges[:-1]) / 2,
        mean / strongest,
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        shading="nearest",
        rasterized=True,
    )
    axes.set_facecolor(EMPTY)
    axes.set_ylim(0, edges[-1])
    axes.set_ylabel("Distance (km)")
    _move_out(axes, stacks, edges, edges)
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.04)
    bar.set_label("Mean correlation in a bin of distance, each scaled to 1")
    bar.outline.set_visible(False)


def _move_out(axes: Any, stacks: Stacks, distance: Array, heights: Array) -> None:
    """Lines of constant speed on both sides: the limits of the signal window and a round speed between them."""
    slow, fast = stacks.attributes["parameters"]["speeds_km_s"]
    speeds = np.unique([slow, float(f"{np.sqrt(slow * fast):.1g}"), fast])[::-1]
    reach = stacks.lag_s[-1]
    axes.axvline(0, color=GRID, linewidth=0.8, zorder=0)
    for number, speed in enumerate(speeds):
        style = "--" if slow < speed < fast else ":"
        for side in (-1, 1):
            axes.plot(
                side * distance / speed, heights, color=MUTED, linewidth=0.9, linestyle=style, zorder=4, scalex=False
            )
        end = np.flatnonzero(distance / speed <= reach)[-1]
        unit = " km/s" if number == len(speeds) - 1 else ""
        inside = end < len(heights) - 1
        axes.annotate(
            f"{speed:g}{unit}", (distance[end] / speed, heights[end]), xytext=(-4 if inside else 0, 4), textcoords="offset points",
            ha="right" if inside else "center", va="bottom", fontsize=8, color=MUTED, annotation_clip=False,
        )  # fmt: skip


def _label_stations(axes: Any, names: list[str], east: Array, north: Array) -> None:
    """Put each name on the side that points away from the other stations."""
    from matplotlib.patheffects import withStroke

    centre = np.array([np.nanmean(east), np.nanmean(north)])
    done = set()
    for name, x, y in zip(names, east, north, strict=True):
        if name in done or not np.isfinite(x):
            continue
        done.add(name)
        away = np.array([x, y]) - centre
        away = away / max(float(np.hypot(*away)), 1e-9)
        axes.annotate(
            name.replace("..", "."), (x, y), xytext=(away[0] * 15, away[1] * 15), textcoords="offset points",
            ha="left" if away[0] > 0.35 else "right" if away[0] < -0.35 else "center",
            va="bottom" if away[1] > 0.35 else "top" if away[1] < -0.35 else "center",
            fontsize=9, fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=6,
        )  # fmt: skip


def _frame_map(axes: Any, east: Array, north: Array) -> None:
    size = max(float(np.nanmax(east) - np.nanmin(east)), float(np.nanmax(north) - np.nanmin(north)), 0.1)
    middle_x, middle_y = (np.nanmax(east) + np.nanmin(east)) / 2, (np.nanmax(north) + np.nanmin(north)) / 2
    axes.set_xlim(middle_x - 0.78 * size, middle_x + 0.78 * size)
    axes.set_ylim(middle_y - 0.78 * size, middle_y + 0.78 * size)


def _scale_bar(axes: Any) -> None:
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    target = (right - left) / 5
    unit = 10 ** np.floor(np.log10(target))
    length = unit * max(step for step in (1, 2, 5) if step * unit <= target)
    x, y = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    axes.plot([x, x + length], [y, y], color=INK, linewidth=2.5, solid_capstyle="butt", zorder=6)
    for end in (x, x + length):
        axes.plot([end, end], [y, y + 0.012 * (top - bottom)], color=INK, linewidth=1.2, zorder=6)
    text = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    axes.annotate(
        text, (x + length / 2, y), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=8.5, zorder=6
    )


def _short(stacks: Stacks, pair: int) -> str:
    return " – ".join(_brief(stacks, stacks.channels[k]) for k in (stacks.first[pair], stacks.second[pair]))


def _brief(stacks: Stacks, channel: str) -> str:
    """Name a channel by what tells it apart: its station alone where each station has one channel."""
    stations = {other.rsplit(".", 2)[0] for other in stacks.channels}
    return channel.split(".")[1] if len(stations) == len(stacks.channels) else channel


def _high(snr: Array) -> float:
    """Upper end of the colours: a few strong pairs must not turn all others pale."""
    known = snr[np.isfinite(snr)]
    return float(np.percentile(known, 98 if known.size > 50 else 100)) if known.size else 1.0


def _snr_bar(figure: Any, axes: Any, coloured: Any, snr: Array) -> None:
    above = bool((snr[np.isfinite(snr)] > _high(snr)).any())
    bar = figure.colorbar(coloured, ax=axes, pad=0.03, fraction=0.045, extend="max" if above else "neither")
    bar.set_label("Signal-to-noise ratio")
    bar.outline.set_visible(False)


def _subtitle(axes: Any, stacks: Stacks, text: str = "", *, above: int = 7) -> None:
    p = stacks.attributes["parameters"]
    start, end = (str(stacks.attributes[name])[:16].replace("T", " ") for name in ("start", "end"))
    told = text or (
        f"{start} to {end} UTC, {p['band_hz'][0]:g}–{p['band_hz'][1]:g} Hz, {p['normalisation']}, "
        f"whitening: {p['whitening']}, windows of {p['window_s']:g} s"
    )
    axes.annotate(
        told, (0, 1), xytext=(0, above), xycoords="axes fraction", textcoords="offset points", fontsize=8, color=MUTED
    )
